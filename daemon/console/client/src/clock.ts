/** Timers as an argument, so that tests hold the clock. */
export interface Clock {
  /** Wall time in milliseconds; it goes on while the machine sleeps. */
  now(): number;
  /** Runs something later, unless the answer is called before. */
  after(milliseconds: number, run: () => void): () => void;
}

export const realClock: Clock = {
  now: () => Date.now(),
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds);
    return () => clearTimeout(timer);
  },
};
