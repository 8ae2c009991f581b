/** The daemon's calls about looking into sockets. */
import { call } from "../api";
import type { Page } from "../wire";
import type { Inspection, Look, OpenSocket, Seen } from "./wire";

const id = encodeURIComponent;

/** Seconds that the daemon waits for something new before it answers that there is nothing. */
const WAIT = 20;

export const sockets = () => call<Page<OpenSocket>>("GET", "sockets");
export const look = (body: Look) => call<Inspection>("POST", "inspections", { body });
/** What was seen after a frame; waits for more where what there is so far is known. */
export const seen = (inspectionId: string, after: number, waits: boolean, signal: AbortSignal) =>
  call<Seen>("GET", `inspections/${id(inspectionId)}?after=${after}&wait=${waits ? WAIT : 0}`, {
    signal,
  });
export const end = (inspectionId: string) =>
  call<void>("DELETE", `inspections/${id(inspectionId)}`);
