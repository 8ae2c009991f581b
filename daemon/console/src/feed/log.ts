/** The rows of a feed, newest first, and those that wait while it is paused. */
import type { Entry } from "./entry";

/** Rows that a page holds, and as many that wait; what is older is fetched again when asked for. */
export const HELD = 10_000;

/** Characters of all these together. */
export const HELD_TEXT = 16_000_000;

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

const weight = ({ text, json }: Entry): number => text.length + json.length;

/** As many of the newest as may be held. */
function bounded(rows: readonly Entry[]): readonly Entry[] {
  let room = HELD_TEXT;
  const over = rows.findIndex((row, index) => {
    room -= weight(row);
    return index >= HELD || room < 0;
  });
  return over < 0 ? rows : rows.slice(0, over);
}

/** Puts newer rows on top; `news` is oldest first, as it came. */
function onTop(rows: readonly Entry[], news: readonly Entry[]): readonly Entry[] {
  return bounded([...news.toReversed(), ...rows]);
}

/** What came, oldest first. */
export function add(log: Log, news: readonly Entry[]): Log {
  if (news.length === 0) return log;
  if (log.paused) {
    const waiting = onTop(log.waiting, news);
    return { ...log, waiting, waited: log.waited + news.length };
  }
  const rows = onTop(log.rows, news);
  return { ...log, rows, older: log.older || log.rows.length + news.length > rows.length };
}

export const pause = (log: Log): Log => ({ ...log, paused: true });

/** Shows what waited, and goes on. */
export function resume(log: Log): Log {
  // Rows below a hole would look as if nothing had happened between: they are fetched anew.
  const whole = log.waited === log.waiting.length;
  const rows = bounded(whole ? [...log.waiting, ...log.rows] : log.waiting);
  const older = log.older || log.rows.length + log.waited > rows.length;
  return { rows, waiting: [], waited: 0, paused: false, older };
}

/** Older rows, newest first, below the others, as far as there is room; none when there are no more. */
export function below(log: Log, older: readonly Entry[], more: boolean): Log {
  const last = log.rows.at(-1)?.seq ?? Number.POSITIVE_INFINITY;
  const fresh = older.filter(({ seq }) => seq < last);
  const rows = bounded([...log.rows, ...fresh]);
  return { ...log, rows, older: more && rows.length === log.rows.length + fresh.length };
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
