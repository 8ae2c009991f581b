/**
 * The pulse of one terminal socket: how long the way to the host takes, and whether the socket
 * still stands. A socket can die without a word, when a laptop sleeps or changes networks; then
 * nothing comes back, and that is the only sign.
 */
import type { Clock } from "../backoff";
import type { LatencyReport } from "../wire";

/** A round trip in milliseconds, and its legs; null where nobody knows. */
export interface Latency {
  total: number;
  browser: number;
  daemon: number;
  agent: number | null;
  /** Not part of the round trip: how late the host's echo last was. */
  host: number | null;
}

/** To the first word: a page that has just come back is busy with showing. */
const FIRST = 1_000;

/** Between two words while somebody looks at the page, and else. */
const SEEN = 5_000;
const UNSEEN = 30_000;

/** Silence after a word of the usual beat, and after one in doubt, that means death. */
const PATIENCE = 10_000;
const DOUBT = 3_000;

/** A timer this late was held up together with everything else: what came meanwhile still waits. */
const LATE = 2_000;

export class Pulse {
  #asked: { id: number; at: number } | null = null;
  #last = 0;
  #heardAt = 0;
  #cancelBeat: () => void = () => {};
  #cancelDeath: () => void = () => {};

  constructor(
    private readonly owner: {
      ask(id: number): void;
      measured(latency: Latency): void;
      /** Nothing comes back any more. */
      dead(): void;
    },
    private readonly clock: Clock,
    private readonly seen: () => boolean,
  ) {}

  /** Begins to ask again and again. */
  start(): void {
    this.stop();
    this.#cancelBeat = this.clock.after(FIRST, () => this.#beat());
  }

  stop(): void {
    this.#cancelBeat();
    this.#cancelDeath();
    this.#asked = null;
  }

  /** The socket may be dead: wants an answer soon, or at least anything on its way to it. */
  doubt(): void {
    this.#ask();
    this.#expect(DOUBT);
  }

  /** Something came over the socket, whatever it was. */
  heard(): void {
    this.#heardAt = this.clock.now();
  }

  answered({ id, daemon_us, agent_us, host_us }: LatencyReport): void {
    if (this.#asked?.id !== id) return;
    const total = this.clock.ticks() - this.#asked.at;
    this.#asked = null;
    this.#cancelDeath();
    const daemon = daemon_us / 1_000;
    const agent = agent_us === null ? null : agent_us / 1_000;
    // Clocks of several machines round apart: never less than nothing.
    const browser = Math.max(0, total - daemon - (agent ?? 0));
    const host = host_us === null ? null : host_us / 1_000;
    this.owner.measured({ total, browser, daemon, agent, host });
  }

  #beat(): void {
    // One question at a time: on a slow line the answers stand behind the output.
    if (!this.#asked) {
      this.#ask();
      this.#expect(PATIENCE);
    }
    this.#cancelBeat = this.clock.after(this.seen() ? SEEN : UNSEEN, () => this.#beat());
  }

  #ask(): void {
    if (this.#asked) return;
    this.#asked = { id: ++this.#last, at: this.clock.ticks() };
    this.owner.ask(this.#asked.id);
  }

  /** As long as the answer is out, this much silence is death. */
  #expect(silence: number, excuse = true): void {
    const from = this.clock.now();
    const look = (within: number) => {
      this.#cancelDeath();
      const due = this.clock.now() + within;
      this.#cancelDeath = this.clock.after(within, () => {
        const now = this.clock.now();
        const left = Math.max(from, this.#heardAt) + silence - now;
        if (left > 0) look(left);
        // Once only: in a page that nobody sees every timer is late.
        else if (excuse && now > due + LATE) this.#expect(DOUBT, false);
        else this.owner.dead();
      });
    };
    look(silence);
  }
}
