/** What the end of a terminal socket means for the person, and what follows. */

import { retryIn } from "gangplank-client";
import { ApiError } from "../api";

export interface Ending {
  /** A plain sentence. */
  why: string;
  /**
   * `retry`: come back without being asked. `by_hand`: a person decides. `taken`: so too, since
   * another page has the terminal now. `ended`: the session is over. `login`: ask the daemon whether
   * we are still logged in.
   */
  next: "retry" | "by_hand" | "taken" | "ended" | "login";
  /** Milliseconds that the daemon asks us to wait. */
  wait?: number;
}

const BY_CODE: Readonly<Record<number, Omit<Ending, "wait">>> = {
  1000: { why: "The terminal was closed.", next: "ended" },
  1001: { why: "The daemon is restarting.", next: "retry" },
  1002: { why: "The daemon did not understand this page. Reload it.", next: "by_hand" },
  1003: {
    why: "The daemon got binary data where text was due. Reload this page.",
    next: "by_hand",
  },
  1006: { why: "The connection to the daemon was lost.", next: "retry" },
  1007: { why: "The daemon got text that is not UTF-8. Reload this page.", next: "by_hand" },
  1008: { why: "The daemon closed this terminal for breaking its rules.", next: "by_hand" },
  1009: { why: "A message was too large for the daemon.", next: "by_hand" },
  1011: { why: "The daemon had a fault of its own.", next: "retry" },
  1013: { why: "Too many terminals are open. Close one, then connect again.", next: "by_hand" },
  4001: { why: "Your login ended. The terminal runs on for a while.", next: "login" },
  4002: {
    why: "Nothing was typed for a long time. The terminal runs on for a while: connect again to go on.",
    next: "by_hand",
  },
  4003: { why: "You may no longer open terminals on this host.", next: "by_hand" },
  4008: { why: "The daemon heard nothing from this page for a while.", next: "retry" },
  4009: { why: "Another page of yours took this terminal over. It goes on there.", next: "taken" },
  4010: { why: "The session ended on the host.", next: "ended" },
};

/** Explains a close code (RFC 6455 §7.4, and the daemon's own from 4000 on). */
export function ending(code: number, reason: string): Ending {
  const known = BY_CODE[code] ?? {
    why: `The connection was closed (code ${code}).`,
    next: "by_hand" as const,
  };
  const wait = code === 1001 ? retryIn(reason) : undefined;
  return wait === undefined ? known : { ...known, wait };
}

const BY_STATUS: Readonly<Record<number, string>> = {
  401: "Your login ended.",
  403: "You may not open terminals on this host.",
  404: "This host does not exist any more.",
};

/** Explains why there was no ticket, and so no socket. */
export function withoutTicket(error: unknown): Ending {
  const { status, retryAfter } = error instanceof ApiError ? error : new ApiError(0, "", "");
  const why = BY_STATUS[status] ?? (error instanceof Error ? error.message : String(error));
  if (status !== 0 && status !== 429 && status < 500) return { why, next: "by_hand" };
  return { why, next: "retry", ...(retryAfter === undefined ? {} : { wait: retryAfter * 1_000 }) };
}
