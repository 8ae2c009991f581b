/** Reads what an inspection sees, for as long as it is shown. */
import { signal } from "@preact/signals";
import { ApiError } from "../api";
import { backoff, type Clock, realClock } from "../backoff";
import type { Frame, Inspection, Seen } from "./wire";

/** Frames that the page holds: the newest. */
export const HELD = 500;

export interface View {
  /** Null until the first answer. */
  standing: Inspection | null;
  /** The newest first. */
  frames: readonly Frame[];
  /** Frames that came while the page was paused. */
  waiting: number;
  /** Frames that nobody will see: overwritten before they were read. */
  lost: number;
  paused: boolean;
  error: string | null;
  /** There is no such inspection, or it is somebody else's. */
  gone: boolean;
}

const NOTHING: View = {
  standing: null,
  frames: [],
  waiting: 0,
  lost: 0,
  paused: false,
  error: null,
  gone: false,
};

/** Reads what came after a frame, and waits for more unless nothing is shown yet. */
type Read = (after: number, waits: boolean, signal: AbortSignal) => Promise<Seen>;

export class Follow {
  readonly view = signal<View>(NOTHING);
  private held: Frame[] = [];
  private last = 0;
  private readonly stopped = new AbortController();

  constructor(
    private readonly read: Read,
    private readonly clock: Clock = realClock,
    private readonly random: () => number = Math.random,
  ) {}

  /** Reads until it is over, or nobody looks any more. */
  async run(): Promise<void> {
    const { signal } = this.stopped;
    for (let failures = 0; !signal.aborted; ) {
      try {
        const seen = await this.read(this.last, this.view.value.standing !== null, signal);
        if (signal.aborted) return;
        failures = 0;
        this.take(seen);
        if (seen.over && seen.items.length === 0) return;
      } catch (error) {
        if (signal.aborted) return;
        const gone = error instanceof ApiError && [401, 403, 404].includes(error.status);
        const words = error instanceof Error ? error.message : String(error);
        this.show({ error: words, gone });
        if (gone) return;
        failures += 1;
        await this.wait(backoff(failures - 1, this.random));
      }
    }
  }

  /** What comes is held back, or shown again. */
  pause(paused: boolean): void {
    if (paused) this.show({ paused });
    else this.show({ paused, waiting: 0, frames: this.held });
  }

  /** Nobody looks any more. */
  stop(): void {
    this.stopped.abort();
  }

  private take(seen: Seen): void {
    const { items, lost, over: _, ...standing } = seen;
    const fresh = items.filter(({ number }) => number > this.last);
    this.last = fresh.at(-1)?.number ?? this.last;
    this.held = [...fresh.reverse(), ...this.held].slice(0, HELD);
    const { paused, waiting, lost: before } = this.view.value;
    const common = { standing, lost: before + lost, error: null };
    if (paused) this.show({ ...common, waiting: waiting + fresh.length });
    else this.show({ ...common, frames: this.held });
  }

  private show(change: Partial<View>): void {
    this.view.value = { ...this.view.value, ...change };
  }

  private wait(milliseconds: number): Promise<void> {
    return new Promise((done) => {
      this.stopped.signal.addEventListener("abort", () => done(), { once: true });
      this.clock.after(milliseconds, done);
    });
  }
}
