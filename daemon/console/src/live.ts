/**
 * A socket on which the daemon tells what changes, opened again whenever it is lost.
 *
 *     closed ── start ──> connecting ── open ──> open
 *        ^                    ^                   │
 *        │ 4003, stop         └── wait ── close ──┘
 */
import { backoff, type Clock, retryIn } from "./backoff";

/** What the stream uses of a `WebSocket`. */
export type EventSocket = Pick<WebSocket, "onopen" | "onmessage" | "onclose" | "send" | "close">;

export type StreamState =
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "waiting"; until: number }
  | { kind: "closed"; why: string };

export interface LiveOwner {
  state(state: StreamState): void;
  /** The login is gone, or may be: ask the daemon. */
  loginInDoubt(): void;
}

/** The daemon closes a socket that sends nothing for five minutes. */
const KEEPALIVE = 60_000;

/** A socket that lived this long was good: the next loss starts counting at one again. */
const STABLE = 60_000;

export abstract class LiveSocket {
  #socket: EventSocket | null = null;
  #attempt = 0;
  #openedAt: number | null = null;
  #cancelTimer: () => void = () => {};
  #stopped = true;

  constructor(
    private readonly open: (query: string) => EventSocket,
    private readonly live: LiveOwner,
    private readonly clock: Clock,
    private readonly random: () => number = Math.random,
  ) {}

  /** What is asked for at every opening. */
  protected abstract query(): string;
  protected abstract opened(): void;
  /** A message, parsed. */
  protected abstract message(message: unknown): void;
  /** The stream was stopped: the next start begins from nothing. */
  protected abstract forget(): void;
  /** What the person may no longer see, when that is so. */
  protected abstract readonly subject: string;

  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    this.#attempt = 0;
    this.forget();
    this.#drop();
    this.live.state({ kind: "closed", why: "" });
  }

  /** Tries at once instead of waiting; a socket that is open or opening is left alone. */
  retryNow(): void {
    if (this.#stopped || this.#socket) return;
    this.#cancelTimer();
    this.#connect();
  }

  /** The browser says the network is gone: don't wait for TCP to find out. */
  networkLost(): void {
    if (this.#stopped || !this.#socket) return;
    this.#drop();
    this.#wait(backoff(this.#attempt++, this.random));
  }

  #connect(): void {
    const socket = this.open(this.query());
    this.#socket = socket;
    this.#openedAt = null;
    this.live.state({ kind: "connecting" });
    socket.onopen = () => {
      this.#openedAt = this.clock.now();
      this.live.state({ kind: "open" });
      this.opened();
      this.#keepAlive(socket);
    };
    socket.onmessage = ({ data }) => this.#message(data);
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
  }

  #keepAlive(socket: EventSocket): void {
    this.#cancelTimer = this.clock.after(KEEPALIVE, () => {
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
    if (typeof message === "object" && message !== null) this.message(message);
  }

  #closed(code: number, reason: string): void {
    const openedAt = this.#openedAt;
    this.#drop();
    if (this.#stopped) return;
    if (code === 4003) {
      this.#stopped = true;
      this.live.state({ kind: "closed", why: `You may no longer see ${this.subject}.` });
      return;
    }
    // A refused upgrade hides its status from scripts: only an HTTP call can tell a lost login
    // from a lost network. The owner stops the stream when the login is gone.
    if (openedAt === null || code === 4001) this.live.loginInDoubt();
    else if (this.clock.now() - openedAt >= STABLE) this.#attempt = 0;
    this.#wait(retryIn(reason) ?? backoff(this.#attempt++, this.random));
  }

  #wait(milliseconds: number): void {
    this.live.state({ kind: "waiting", until: this.clock.now() + milliseconds });
    this.#cancelTimer = this.clock.after(milliseconds, () => this.#connect());
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
