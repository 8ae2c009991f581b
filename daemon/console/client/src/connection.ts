/**
 * A socket on which the daemon tells, opened again whenever it is lost. Where the daemon greets, it is
 * open with the greeting: what was cut before has told nothing, and missed nothing.
 *
 *     connecting ── opened, greeted ──> open
 *        ^  ^                            │
 *        │  └── time ── waiting <── closed ──┤
 *        └── retryNow ── closed <── 4001, 4003 ┘
 */
import { backoff, retryIn, whenFull } from "./backoff.ts";
import { type Clock, realClock } from "./clock.ts";
import { CLOSE, closeWords, isFinal } from "./close.ts";

/** What is used of a `WebSocket`. */
export type Socket = Pick<WebSocket, "onopen" | "onmessage" | "onclose" | "send" | "close">;

export type State =
  | { kind: "connecting" }
  | { kind: "open" }
  /** Not connected, and tried again at `until` (milliseconds of the clock). */
  | { kind: "waiting"; until: number; why: string }
  /** Not connected, and not tried again by itself. Without a code: nobody wants it. */
  | { kind: "closed"; code: number | null; why: string };

export interface Options {
  /** Where the daemon is, such as `https://relay.example.com/`; where the page is when absent. */
  base?: string | URL;
  /** Fetches a ticket before each opening, where the page has no cookie of the daemon. */
  ticket?: () => Promise<string>;
  onState?: (state: State) => void;
  /**
   * An opening failed. A browser hides whether the daemon refused it or could not be reached: a
   * call by HTTP tells.
   */
  onRefused?: () => void;
  /** Ends it. */
  signal?: AbortSignal;
  /** For tests: what stands for the network, the clock and chance. */
  open?: (address: string) => Socket;
  clock?: Clock;
  random?: () => number;
}

/** Whoever uses a connection: where it goes, and who hears it. */
export interface Use {
  /** Path below the base, asked at every opening. */
  path: () => string;
  /** Query, asked at every opening. */
  query?: () => Record<string, string>;
  /** Reads the daemon's first message; false where it is none that greets. */
  greeting?: (message: unknown) => boolean;
  message: (message: unknown) => void;
}

/** The daemon closes a socket that sends nothing for five minutes. */
const KEEPALIVE = 240_000;

/** A socket that lived this long was good: the next loss starts counting at one again. */
const STABLE = 60_000;

/** The address of a socket: `wss:` exactly when the base is `https:`. */
function address(base: string | URL | undefined, path: string, query: Record<string, string>) {
  const from = new URL(base ?? ".", base === undefined ? location.href : undefined);
  if (!from.pathname.endsWith("/")) from.pathname += "/";
  const to = new URL(path, from);
  to.search = new URLSearchParams(query).toString();
  to.protocol = to.protocol === "https:" ? "wss:" : "ws:";
  return to.href;
}

export class Connection {
  readonly #options: Options;
  readonly #use: Use;
  readonly #clock: Clock;
  readonly #random: () => number;
  #state: State = { kind: "closed", code: null, why: "" };
  #socket: Socket | null = null;
  #attempt = 0;
  /** Counts openings, so that a ticket which comes too late is known. */
  #turn = 0;
  #openedAt: number | null = null;
  #cancelTimer: () => void = () => {};

  constructor(options: Options, use: Use) {
    this.#options = options;
    this.#use = use;
    this.#clock = options.clock ?? realClock;
    this.#random = options.random ?? Math.random;
    if (options.signal?.aborted) return;
    options.signal?.addEventListener("abort", () => this.stop(), { once: true });
    this.#connect();
  }

  get state(): State {
    return this.#state;
  }

  /** Ends it for good. */
  stop(): void {
    this.#turn = -1;
    this.#drop();
    this.#become({ kind: "closed", code: null, why: "" });
  }

  /** Tries at once instead of waiting; a socket that is open or opening is left alone. */
  retryNow(): void {
    if (this.#turn < 0 || this.#state.kind === "open" || this.#state.kind === "connecting") return;
    this.#cancelTimer();
    this.#connect();
  }

  /** The network is gone, somebody says: don't wait for TCP to find out. */
  networkLost(): void {
    if (this.#state.kind !== "open" && this.#state.kind !== "connecting") return;
    this.#drop();
    this.#wait(backoff(this.#attempt++, this.#random), "The network is gone.");
  }

  #become(state: State): void {
    this.#state = state;
    this.#options.onState?.(state);
  }

  #connect(): void {
    const turn = ++this.#turn;
    this.#openedAt = null;
    this.#become({ kind: "connecting" });
    const { ticket } = this.#options;
    if (!ticket) {
      this.#open();
      return;
    }
    ticket().then(
      (value) => {
        if (turn === this.#turn) this.#open(value);
      },
      (problem: unknown) => {
        if (turn !== this.#turn) return;
        const why = problem instanceof Error ? problem.message : String(problem);
        this.#wait(backoff(this.#attempt++, this.#random), why);
      },
    );
  }

  #open(ticket?: string): void {
    const query = this.#use.query?.() ?? {};
    if (ticket !== undefined) query.ticket = ticket;
    const to = address(this.#options.base, this.#use.path(), query);
    const socket = this.#options.open?.(to) ?? new WebSocket(to);
    this.#socket = socket;
    socket.onopen = () => {
      this.#openedAt = this.#clock.now();
      this.#keepAlive(socket);
      if (!this.#use.greeting) this.#become({ kind: "open" });
    };
    socket.onmessage = ({ data }) => this.#message(data);
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
  }

  #keepAlive(socket: Socket): void {
    this.#cancelTimer = this.#clock.after(KEEPALIVE, () => {
      socket.send('{"type":"keepalive"}');
      this.#keepAlive(socket);
    });
  }

  #message(data: unknown): void {
    if (typeof data !== "string") return;
    let message: unknown;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    const greeted = this.#state.kind !== "open" && this.#use.greeting?.(message) === true;
    if (this.#state.kind !== "open") this.#become({ kind: "open" });
    if (!greeted) this.#use.message(message);
  }

  #closed(code: number, reason: string): void {
    const openedAt = this.#openedAt;
    this.#drop();
    if (isFinal(code)) {
      this.#become({ kind: "closed", code, why: closeWords(code) });
      return;
    }
    if (openedAt !== null && this.#clock.now() - openedAt >= STABLE) this.#attempt = 0;
    const chosen = code === CLOSE.full ? whenFull : backoff;
    const wait = retryIn(reason) ?? chosen(this.#attempt, this.#random);
    this.#attempt += 1;
    this.#wait(wait, openedAt === null ? "The daemon can't be reached." : closeWords(code));
    if (openedAt === null) this.#options.onRefused?.();
  }

  #wait(milliseconds: number, why: string): void {
    this.#cancelTimer = this.#clock.after(milliseconds, () => this.#connect());
    this.#become({ kind: "waiting", until: this.#clock.now() + milliseconds, why });
  }

  #drop(): void {
    this.#cancelTimer();
    this.#cancelTimer = () => {};
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }
}
