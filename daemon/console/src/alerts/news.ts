/** How many alerts nobody has looked at, on every page. */
import { signal } from "@preact/signals";
import { alerts } from "gangplank-client";
import { may, whenLoggedOut } from "../session";
import { watch } from "../watch";
import * as api from "./api";
import type { AlertCounts } from "./wire";

/** Null until the daemon has said. */
export const counts = signal<AlertCounts | null>(null);

/** Counts up whenever the inbox may have changed. */
export const changes = signal(0);

/** Many alerts at once are one reason to look. */
const GATHER = 300;

let gathering = false;

async function load(): Promise<void> {
  gathering = false;
  if (!may("ws:alerts")) return;
  try {
    counts.value = (await api.list("new", undefined, 1)).counts;
  } catch {
    // The next alert, or the next connection, is a reason to ask again; the bar says what is wrong.
  }
  changes.value += 1;
}

/** The inbox may have changed. */
export function look(): void {
  if (gathering) return;
  gathering = true;
  setTimeout(() => void load(), GATHER);
}

watch({ topic: "alerts", permission: "ws:alerts", parse: alerts, reload: look, event: look });
whenLoggedOut(() => {
  counts.value = null;
});
