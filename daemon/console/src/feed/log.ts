/** The rows of a feed, newest first, and those that wait while it is paused. */
import type { Entry } from "./entry";

/** Rows that a page holds, and as many that wait; what is older is fetched again when asked for. */
export const HELD = 1_000;

export interface Log {
  rows: readonly Entry[];
  /** The newest of what came while it was paused. */
  waiting: readonly Entry[];
  /** How much came, of which the oldest may be let go. */
  waited: number;
  paused: boolean;
  /** Older rows can be fetched: there are some that are not held. */
  older: boolean;
}

export const EMPTY: Log = { rows: [], waiting: [], waited: 0, paused: false, older: true };

/** Puts newer rows on top; `news` is oldest first, as it came. */
function onTop(rows: readonly Entry[], news: readonly Entry[]): Entry[] {
  return [...news.toReversed(), ...rows].slice(0, HELD);
}

/** What came, oldest first. */
export function add(log: Log, news: readonly Entry[]): Log {
  if (news.length === 0) return log;
  if (log.paused) {
    const waiting = onTop(log.waiting, news);
    return { ...log, waiting, waited: log.waited + news.length };
  }
  const rows = onTop(log.rows, news);
  return { ...log, rows, older: log.older || log.rows.length + news.length > HELD };
}

export const pause = (log: Log): Log => ({ ...log, paused: true });

/** Shows what waited, and goes on. */
export function resume(log: Log): Log {
  const lost = log.rows.length + log.waited > HELD;
  return {
    rows: [...log.waiting, ...log.rows].slice(0, HELD),
    waiting: [],
    waited: 0,
    paused: false,
    older: log.older || lost,
  };
}

/** Older rows, newest first, below the others; none when there are no more. */
export function below(log: Log, rows: readonly Entry[], more: boolean): Log {
  const last = log.rows.at(-1)?.seq ?? Number.POSITIVE_INFINITY;
  const fresh = rows.filter(({ seq }) => seq < last);
  return { ...log, rows: [...log.rows, ...fresh], older: more };
}

/** What the person wants to see. */
export interface Filter {
  words: string;
  severity: string;
  type: string;
  host: string;
  case: string;
}

export const EVERYTHING: Filter = { words: "", severity: "", type: "", host: "", case: "" };

/** Whether a row is meant: all of the words stand somewhere in it, and the rest is as chosen. */
export function matches(entry: Entry, filter: Filter): boolean {
  if (filter.severity !== "" && entry.severity !== filter.severity) return false;
  if (filter.type !== "" && entry.type !== filter.type) return false;
  if (filter.host !== "" && entry.host?.id !== filter.host) return false;
  if (filter.case !== "" && !(entry.case ?? "").includes(filter.case)) return false;
  if (filter.words.trim() === "") return true;
  const text = [entry.text, entry.type, entry.severity, entry.host?.name, entry.case]
    .filter(Boolean)
    .join(" ")
    .toLowerCase();
  return filter.words
    .toLowerCase()
    .trim()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
