/** How long a person who waits before a page is kept waiting. */
import { LONGEST_WAIT, type Clock as Timers, realClock as timers } from "gangplank-client";

/** The longest wait of a page that comes back to a terminal. */
const LONGEST_ABSENCE = 5_000;

/**
 * Backoff with jitter: the ceiling doubles from one second with every attempt, and the wait lies
 * somewhere in its upper half, so that pages don't return in step and none returns at once.
 */
export function backoff(attempt: number, random: () => number): number {
  return upperHalf(Math.min(LONGEST_WAIT, 1_000 * 2 ** Math.min(attempt, 10)), random);
}

/**
 * The same for a page that comes back to a terminal which lives: at once, and then after waits
 * that stay short, since a person sits before it and it doesn't wait for ever.
 */
export function comeback(attempt: number, random: () => number): number {
  if (attempt === 0) return 0;
  return upperHalf(Math.min(LONGEST_ABSENCE, 400 * 2 ** Math.min(attempt - 1, 10)), random);
}

function upperHalf(ceiling: number, random: () => number): number {
  return Math.round(ceiling * (0.5 + random() / 2));
}

/** Timers as an argument, so that tests hold the clock. */
export interface Clock extends Timers {
  /** Milliseconds with their fractions since some moment, for what is measured. */
  ticks(): number;
}

export const realClock: Clock = { ...timers, ticks: () => performance.now() };
