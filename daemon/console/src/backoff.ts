/** How long to wait before trying a socket again. */

/** The longest wait, in milliseconds; a server that asks for more is not obeyed further. */
export const LONGEST_WAIT = 30_000;

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

/** Reads the wait out of a close reason `retry_in=MILLISECONDS`. */
export function retryIn(reason: string): number | undefined {
  const found = /^retry_in=(\d{1,12})$/.exec(reason)?.[1];
  return found === undefined ? undefined : Math.min(Number(found), 60_000);
}

/** Timers as an argument, so that tests hold the clock. */
export interface Clock {
  /** Wall time; it goes on while the machine sleeps. */
  now(): number;
  /** Milliseconds with their fractions since some moment, for what is measured. */
  ticks(): number;
  after(milliseconds: number, run: () => void): () => void;
}

export const realClock: Clock = {
  now: () => Date.now(),
  ticks: () => performance.now(),
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds);
    return () => clearTimeout(timer);
  },
};
