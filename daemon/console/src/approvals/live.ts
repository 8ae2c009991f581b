/** The requests that wait, followed wherever the person is, as far as they may decide on them. */
import { computed, signal } from "@preact/signals";
import { approvals } from "gangplank-client";
import { whenLoggedOut } from "../session";
import { watch } from "../watch";
import * as api from "./api";
import type { Approval } from "./wire";

/** Null until the first answer. */
export const pending = signal<readonly Approval[] | null>(null);
/** Grows with every step of any request: lists that show them load again. */
export const steps = signal(0);
export const pendingError = signal<string | null>(null);

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
function changed(): void {
  steps.value += 1;
  void reload();
}

watch({
  topic: "approvals",
  permission: "approvals:manage",
  parse: approvals,
  reload: changed,
  event: changed,
});

whenLoggedOut(() => {
  turn += 1;
  pending.value = null;
});
