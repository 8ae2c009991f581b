/** The daemon's call about measurements. */
import { call } from "../api";
import type { Telemetry } from "./wire";

/** The last day of a host. */
export const telemetry = (hostId: string) =>
  call<Telemetry>("GET", `hosts/${encodeURIComponent(hostId)}/telemetry`);
