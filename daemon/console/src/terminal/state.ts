/** What a terminal can be in, and what it needs from its page. */
import type { HostKeyState, Prompt, TerminalError, ToPage } from "../wire";
import type { Latency } from "./pulse";
import type { Screen } from "./session";

export type TerminalState =
  | { kind: "idle" }
  | { kind: "connecting"; resuming: boolean }
  | { kind: "prompt"; name: string; instructions: string; prompts: Prompt[] }
  | { kind: "approval"; until: number }
  | { kind: "host_key"; keyType: string; fingerprint: string }
  | { kind: "connected"; hostKey: HostKeyState | null; closesAt?: number }
  | { kind: "suspended"; why: string }
  | { kind: "failed"; error: TerminalError }
  | { kind: "waiting"; why: string; until: number }
  | { kind: "lost"; why: string; taken: boolean }
  | { kind: "ended"; exitStatus?: number; signal?: string; reason?: string }
  | { kind: "gone" };

/** States in which a session that lives is away, and comes back by itself. */
export const isAway = ({ kind }: TerminalState): boolean =>
  kind === "connecting" || kind === "waiting" || kind === "suspended";

export interface Owner extends Omit<Screen, "redraw"> {
  became(state: TerminalState): void;
  size(): { cols: number; rows: number };
  /** What follows belongs to another session than what was shown so far. */
  freshSession(): void;
  /** A complaint that changes nothing. */
  notice(text: string): void;
  measured(latency: Latency): void;
  /** Whether somebody can see the page. */
  seen(): boolean;
  /** The login is gone, or may be: ask the daemon. */
  loginInDoubt(): void;
}

/** The state that the daemon's word about the end of a session leads to. */
export function endOf(message: Extract<ToPage, { type: "closed" }>): TerminalState {
  const { exit_status: exitStatus, signal, reason } = message;
  return {
    kind: "ended",
    ...(exitStatus === undefined ? {} : { exitStatus }),
    ...(signal ? { signal } : {}),
    ...(reason ? { reason } : {}),
  };
}
