/** How long to wait before a socket is tried again. */

/** The longest wait of our own choice, in milliseconds. */
export const LONGEST_WAIT = 30_000;

/** The longest wait that a daemon is obeyed in. */
const LONGEST_ORDER = 60_000;

/** What a channel that is full is left alone for, at least. */
const FULL = 30_000;

/**
 * Full jitter: somewhere between nothing and a ceiling that doubles from a second with every
 * attempt, so that the many who lost a daemon together do not return together.
 */
export function backoff(attempt: number, random: () => number): number {
  return Math.round(random() * Math.min(LONGEST_WAIT, 1_000 * 2 ** Math.min(attempt, 10)));
}

/** The same for a channel that has no room: somebody must leave before it has. */
export function whenFull(attempt: number, random: () => number): number {
  return FULL + backoff(attempt + 5, random);
}

/** Reads the wait out of a close reason `retry_in=MILLISECONDS`. */
export function retryIn(reason: string): number | undefined {
  const found = /^retry_in=(\d{1,12})$/.exec(reason)?.[1];
  return found === undefined ? undefined : Math.min(Number(found), LONGEST_ORDER);
}
