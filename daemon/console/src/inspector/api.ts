/** The daemon's calls about looking into sockets. */
import { call } from "../api";
import type { Page } from "../wire";
import type { Inspection, Look, OpenSocket, Seen } from "./wire";

const id = encodeURIComponent;

/** Seconds that the daemon waits for the next frame before it answers that there is none. */
const WAIT = 20;

export const sockets = () => call<Page<OpenSocket>>("GET", "sockets");
export const look = (body: Look) => call<Inspection>("POST", "inspections", { body });
export const seen = (inspectionId: string, after: number, signal: AbortSignal) =>
  call<Seen>("GET", `inspections/${id(inspectionId)}?after=${after}&wait=${WAIT}`, { signal });
export const end = (inspectionId: string) =>
  call<void>("DELETE", `inspections/${id(inspectionId)}`);
