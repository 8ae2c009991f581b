/** The ways to a host: which it offers, and which needs no question. */
import type { ConnectionMode, Host } from "../wire";
import type { Request } from "./request";

export interface Way {
  mode: ConnectionMode;
  label: string;
  hint: string;
}

/** What this host offers, the easiest first. Empty: nobody can say how to reach it. */
export function ways(host: Host): Way[] {
  const found: Way[] = [];
  if (host.terminal.includes("pty")) {
    const user = ptyUser(host);
    const whom = user ? `as ${user}` : "as the agent's own user";
    found.push({ mode: "pty", label: "Agent", hint: `A shell from the host's agent, ${whom}` });
  }
  if (host.terminal.includes("ssh")) {
    found.push({ mode: "proxy", label: "SSH by agent", hint: "The host's agent opens SSH" });
  }
  if (host.address !== null) {
    const where = host.port === 22 ? host.address : `${host.address}:${host.port}`;
    const through = host.gateway_id === null ? "" : " through its gateway";
    const hint = `The daemon opens SSH to ${where}${through}`;
    found.push({ mode: "direct", label: "Direct SSH", hint });
  }
  return found;
}

/** What can be opened at once, with nothing to be asked. */
export function withoutQuestion(host: Host): Request | null {
  if (!host.terminal.includes("pty") || host.status.state === "pending") return null;
  const user = ptyUser(host);
  return { connection_mode: "pty", ...(user ? { username: user } : {}) };
}

/** Whose shell the agent opens when nobody says: its own user's, if its policy allows that one. */
export function ptyUser(host: Host): string | undefined {
  const own = host.run_as ?? undefined;
  if (host.pty_users.length === 0 || (own && host.pty_users.includes(own))) return own;
  return host.pty_users[0];
}

/** Reads `host` or `host:port`; undefined when it is neither. */
export function parseTarget(text: string): { host: string; port: number } | undefined {
  const found = /^(\[[0-9a-fA-F:.]+\]|[^\s:[\]]+)(?::(\d{1,5}))?$/.exec(text.trim());
  const port = Number(found?.[2] ?? 22);
  if (!found?.[1] || port < 1 || port > 65_535) return undefined;
  return { host: found[1].replace(/^\[|\]$/g, ""), port };
}
