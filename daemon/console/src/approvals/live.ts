/** The requests that wait, followed wherever the person is, as far as they may decide on them. */
import { computed, signal } from "@preact/signals";
import { socketAddress } from "../address";
import { realClock } from "../backoff";
import { LiveSocket } from "../live";
import { ask, may, user, whenLoggedOut } from "../session";
import { onWake } from "../wake";
import * as api from "./api";
import type { Approval } from "./wire";

/** Null until the first answer. */
export const pending = signal<readonly Approval[] | null>(null);
/** Grows with every step of any request: lists that show them load again. */
export const steps = signal(0);
export const pendingError = signal<string | null>(null);

/** What waits for somebody: one's own requests wait for others. */
export const pendingCount = computed(() => pending.value?.length ?? 0);

let turn = 0;

/** Loads what waits. The newest answer wins. */
export async function reload(): Promise<void> {
  const mine = ++turn;
  try {
    const { items } = await api.pending();
    if (mine !== turn) return;
    pending.value = items;
    pendingError.value = null;
  } catch (error) {
    if (mine === turn) pendingError.value = error instanceof Error ? error.message : String(error);
  }
}

/** Events only say that there is something new; the list says what. */
class ApprovalStream extends LiveSocket {
  protected readonly subject = "approvals";

  protected query(): string {
    return "topics=approvals";
  }

  protected opened(): void {
    this.message();
  }

  protected forget(): void {}

  protected message(): void {
    steps.value += 1;
    void reload();
  }
}

const stream = new ApprovalStream(
  (query) => new WebSocket(socketAddress(`api/v1/ws/events?${query}`)),
  { state: () => {}, loginInDoubt: () => void ask() },
  realClock,
);

user.subscribe((who) => {
  if (who && may("approvals:manage")) stream.start();
});

whenLoggedOut(() => {
  stream.stop();
  turn += 1;
  pending.value = null;
});
onWake(() => stream.retryNow());
addEventListener("offline", () => stream.networkLost());
