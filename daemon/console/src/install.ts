/** How far the host has come that is being added: waiting, connected, first report. */
import type { Host, HostEvent } from "./wire";

export interface Install {
  /** Hosts that were there before, and are not the one waited for. */
  known: ReadonlySet<string>;
  host: Host | null;
}

export type Step = "waiting" | "pending" | "connected" | "reported";

export const startInstall = (known: Iterable<string>): Install => ({
  known: new Set(known),
  host: null,
});

/** What a host event tells about the host waited for: the first one that is new. */
export function follow(install: Install, event: HostEvent): Install {
  if (event.kind === "container" || event.kind === "event") return install;
  if (event.kind === "removed") {
    return event.host_id === install.host?.id ? { ...install, host: null } : install;
  }
  const { host } = event;
  if (install.host ? host.id !== install.host.id : install.known.has(host.id)) return install;
  return { ...install, host };
}

export function stepOf({ host }: Install): Step {
  if (!host) return "waiting";
  if (host.status.state === "pending") return "pending";
  if (host.first_report_at !== null) return "reported";
  // Registered, but its agent has not come yet.
  return host.status.state === "online" ? "connected" : "waiting";
}
