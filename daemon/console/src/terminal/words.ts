/** Plain sentences for what a terminal socket says in codes. */
import type { ConnectionMode, ErrorCode, HostKeyState, TerminalError } from "../wire";
import type { Backlog } from "./input";
import type { Latency } from "./pulse";

export interface Explanation {
  title: string;
  /** What to do next. */
  advice: string;
}

const ERRORS: Readonly<Record<ErrorCode, Explanation>> = {
  auth_failed: {
    title: "The host refused this login",
    advice: "Check user name, password or key, and try again.",
  },
  host_key_changed: {
    title: "The host's key has changed: not connected",
    advice:
      "Nothing secret was sent. Either the host was set up anew, or somebody is in between. Ask " +
      "its owner. When the change is right, remove the old key on the host's page and connect again.",
  },
  host_key_unknown: {
    title: "The host's key is not known yet",
    advice: "Compare its fingerprint with the host's own, then accept it.",
  },
  unreachable: {
    title: "The host can't be reached",
    advice: "Check its address and port, and that an SSH server is running there.",
  },
  timeout: {
    title: "The host did not answer in time",
    advice: "It may be down, or a firewall drops the connection. Try again.",
  },
  agent_offline: {
    title: "The host's agent is not connected",
    advice: "Check on the host that gangplank-agent is running; it comes back by itself.",
  },
  not_allowed: {
    title: "This is not allowed",
    advice:
      "The daemon's rules, or those in the host's own agent.toml (section policy), forbid it. " +
      "Try another way to connect, or ask the host's owner.",
  },
  bad_request: {
    title: "The daemon could not use this request",
    advice: "Check what you filled in, and try again.",
  },
  already_connected: {
    title: "This terminal is connected already",
    advice: "Open another tab for a second session.",
  },
  no_such_session: {
    title: "This terminal is gone",
    advice: "It ended while you were away. Open a new one.",
  },
  internal: {
    title: "The daemon had a fault of its own",
    advice: "Try again. If it happens again, its log says more.",
  },
};

export function explain(error: TerminalError): Explanation {
  // A newer daemon may know codes that this page doesn't.
  return ERRORS[error.code] ?? { title: "Not connected", advice: "Try again." };
}

const HOST_KEYS: Readonly<Record<HostKeyState, string>> = {
  attested: "host key confirmed by its agent",
  pinned: "host key known",
  accepted: "host key accepted by you",
  unverified: "host key not checked",
  none: "",
};

/** How sure we are of the host, in few words; empty where there is no SSH. */
export const hostKeyWords = (state: HostKeyState | null): string =>
  state === null ? "" : (HOST_KEYS[state] ?? "");

const WAYS: Readonly<Record<ConnectionMode, string>> = {
  pty: "agent",
  proxy: "SSH by agent",
  direct: "direct SSH",
};

/** The way of a session, in a list. */
export const wayWords = (mode: ConnectionMode): string => WAYS[mode] ?? mode;

/** What was typed and waits until the terminal is back. */
export function backlogWords({ bytes, keys }: Backlog): string {
  if (bytes === 0) return "";
  if (bytes > 1024) return `${Math.ceil(bytes / 1024)} KiB wait`;
  return keys === 1 ? "1 key waits" : `${keys} keys wait`;
}

/** A line in the place of output that nobody keeps any more. */
export function gapWords(lost: number): string {
  const size = lost < 1024 ? `${lost} bytes` : `${Math.round(lost / 1024)} KiB`;
  return `${size} of output were lost here`;
}

/** Milliseconds, exact where few. */
export function milliseconds(time: number): string {
  return `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`;
}

/** The round trip in one sentence. */
export function latencyWords({ total, browser, daemon, agent, host }: Latency): string {
  const legs = [`browser ${milliseconds(browser)}`, `daemon ${milliseconds(daemon)}`];
  if (agent !== null) legs.push(`agent ${milliseconds(agent)}`);
  if (host !== null) legs.push(`echo of the host ${milliseconds(host)}`);
  return `Round trip ${milliseconds(total)}: ${legs.join(", ")}`;
}

/** How a session ended. */
export function endWords(end: { exitStatus?: number; signal?: string; reason?: string }): string {
  if (end.reason) return `The session ended: ${end.reason}`;
  if (end.signal) return `The session was ended by signal ${end.signal}.`;
  if (end.exitStatus === undefined || end.exitStatus === 0) return "The session ended.";
  return `The session ended with status ${end.exitStatus}.`;
}
