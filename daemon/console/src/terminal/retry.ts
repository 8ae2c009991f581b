/** When a terminal tries again by itself. */
import { backoff, type Clock, comeback } from "../backoff";

/** A connection that lived this long was good: the next loss starts counting at one again. */
const STABLE = 10_000;

export class Retry {
  #attempt = 0;
  #connectedAt: number | null = null;
  #cancel: () => void = () => {};

  constructor(
    private readonly clock: Clock,
    private readonly random: () => number,
  ) {}

  /** An attempt led to a session. */
  connected(): void {
    this.#connectedAt = this.clock.now();
  }

  /**
   * Runs the next attempt after the wait that the daemon asked for, or one of our own, which is
   * short when a session waits for us. Yields when that will be; null: it ran at once.
   */
  schedule(attempt: () => void, awaited: boolean, asked?: number): number | null {
    this.cancel();
    const lived = this.#connectedAt === null ? 0 : this.clock.now() - this.#connectedAt;
    this.#connectedAt = null;
    if (lived >= STABLE) this.#attempt = 0;
    const wait = asked ?? (awaited ? comeback : backoff)(this.#attempt++, this.random);
    if (wait === 0) {
      attempt();
      return null;
    }
    this.#cancel = this.clock.after(wait, attempt);
    return this.clock.now() + wait;
  }

  cancel(): void {
    this.#cancel();
    this.#cancel = () => {};
  }
}
