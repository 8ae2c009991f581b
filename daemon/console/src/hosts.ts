/** The host list that every page looks at: loaded once an event socket is open, then kept alive. */
import { computed, signal } from "@preact/signals";
import type { Parser } from "gangplank-client";
import * as api from "./api";
import { watch } from "./watch";
import type { Host, HostEvent } from "./wire";

/** By id. Null until the first answer. */
export const hosts = signal<ReadonlyMap<string, Host> | null>(null);
/** Why the list could not be loaded. */
export const hostsError = signal<string | null>(null);

const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

export const sortedHosts = computed(() =>
  [...(hosts.value?.values() ?? [])].sort((a, b) =>
    byName.compare(a.friendly_name, b.friendly_name),
  ),
);

/** What a host event makes of the list. */
export function applyEvent(
  list: ReadonlyMap<string, Host>,
  event: HostEvent,
): ReadonlyMap<string, Host> {
  // What happens in a host changes nothing of the list.
  if (event.kind === "container" || event.kind === "event") return list;
  const next = new Map(list);
  if (event.kind === "removed") next.delete(event.host_id);
  else next.set(event.host.id, event.host);
  return next;
}

const listeners = new Set<(event: HostEvent) => void>();

/** Hears every host event from now on; the answer ends it. */
export function onHostEvent(listener: (event: HostEvent) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Puts in what a call answered, without waiting for the event that follows. */
export function rememberHost(host: Host): void {
  if (hosts.value) hosts.value = applyEvent(hosts.value, { kind: "changed", host });
}

/** Takes out what a call removed. */
export function forgetHost(id: string): void {
  if (hosts.value) hosts.value = applyEvent(hosts.value, { kind: "removed", host_id: id });
}

/** Events that came while the list was on its way; they go on top of it. */
let waiting: HostEvent[] | null = null;
let loading: AbortController | null = null;

async function reload(): Promise<void> {
  loading?.abort();
  const mine = new AbortController();
  loading = mine;
  waiting = [];
  try {
    const list = await api.hosts(mine.signal);
    let next: ReadonlyMap<string, Host> = new Map(list.map((host) => [host.id, host]));
    for (const event of waiting ?? []) next = applyEvent(next, event);
    hosts.value = next;
    hostsError.value = null;
  } catch (error) {
    if (mine.signal.aborted) return;
    hostsError.value = error instanceof Error ? error.message : String(error);
  }
  waiting = null;
  loading = null;
}

const KINDS: readonly HostEvent["kind"][] = [
  "added",
  "changed",
  "presence",
  "first_report",
  "removed",
  "container",
];

/** Hosts are the daemon's own words, which the interface for programs has as well. */
const hostEvent: Parser<HostEvent> = (value) => {
  const event = value as HostEvent;
  if (!KINDS.includes(event?.kind)) throw new Error("there is no such event of a host");
  return event;
};

watch({
  topic: "hosts",
  permission: "hosts:read",
  parse: hostEvent,
  reload: () => void reload(),
  event(event) {
    waiting?.push(event);
    if (hosts.value) hosts.value = applyEvent(hosts.value, event);
    for (const listener of listeners) listener(event);
  },
});

/** Forgets everything of the login that ended. */
export function clearHosts(): void {
  loading?.abort();
  hosts.value = null;
  hostsError.value = null;
}
