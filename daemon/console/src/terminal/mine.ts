/** The terminals that the person has running, on this page or anywhere. */
import { computed, effect, signal } from "@preact/signals";
import * as api from "../api";
import { may, user, whenLoggedOut } from "../session";
import { onWake } from "../wake";
import type { TerminalSession } from "../wire";
import { tabs } from "./tabs";

/** The oldest first. Null until the first answer. */
export const mine = signal<readonly TerminalSession[] | null>(null);
/** Why they could not be loaded. */
export const mineError = signal<string | null>(null);

/** The daemon needs a moment to see what was done here. */
const SETTLE = 500;

let turn = 0;
let timer = 0;

/** Loads the list. The newest answer wins. */
export async function refreshMine(): Promise<void> {
  clearTimeout(timer);
  if (!user.peek() || !may("can_manage_hosts")) return;
  const current = ++turn;
  try {
    const { items } = await api.mySessions();
    if (current !== turn) return;
    mine.value = items
      .filter(({ state }) => state !== "ended")
      .sort((a, b) => a.started_at.localeCompare(b.started_at));
    mineError.value = null;
  } catch (error) {
    if (current === turn) mineError.value = error instanceof Error ? error.message : String(error);
  }
}

function refreshSoon(): void {
  clearTimeout(timer);
  timer = window.setTimeout(() => void refreshMine(), SETTLE);
}

/** Ends a terminal, wherever it is shown. */
export async function endMine(id: string): Promise<void> {
  await api.endSession(id);
  mine.value = mine.value?.filter((session) => session.id !== id) ?? null;
  refreshSoon();
}

effect(() => {
  if (user.value) void refreshMine();
});
/** Which sessions live here, and how they stand: every change is one of the list too. */
const here = computed(() =>
  tabs.value.map(({ session, state }) => `${session.value} ${state.value.kind}`).join(),
);
effect(() => {
  if (here.value !== "") refreshSoon();
});
onWake(refreshSoon);
addEventListener("focus", refreshSoon);
whenLoggedOut(() => {
  turn += 1;
  mine.value = null;
  mineError.value = null;
});
