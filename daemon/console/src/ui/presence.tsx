/** Whether a host is there: a dot of its own shape and colour, and the word. */
import type { HostStatus, Presence } from "../wire";

const WORDS: Readonly<Record<Presence, string>> = {
  online: "Online",
  stale: "Stale",
  offline: "Offline",
  pending: "Pending",
};

export function PresenceMark({ status }: { status: HostStatus }) {
  const { state, reason } = status;
  return (
    <span class={`presence ${state}`} title={reason ?? undefined}>
      <span class="dot" aria-hidden="true" />
      {WORDS[state] ?? state}
    </span>
  );
}
