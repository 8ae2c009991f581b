/**
 * The live event socket of the host list.
 *
 *     closed ── start ──> connecting ── open ──> open
 *        ^                    ^                   │
 *        │ 4003, stop         └── wait ── close ──┘
 *
 * After every opening the owner loads the list anew, and applies the events on top: the socket is
 * open first, so nothing between the two is missed, and an event that the list already contains
 * changes nothing, since each carries its whole object. A cursor brings the missed events of a
 * short cut; a gap makes the owner load again.
 */
import { backoff, type Clock, retryIn } from "./backoff";
import type { Envelope, Gap, HostEvent } from "./wire";

/** What the stream uses of a `WebSocket`. */
export type EventSocket = Pick<WebSocket, "onopen" | "onmessage" | "onclose" | "send" | "close">;

export type StreamState =
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "waiting"; until: number }
  | { kind: "closed"; why: string };

export interface StreamOwner {
  state(state: StreamState): void;
  /** The list must be loaded (again). */
  reload(): void;
  event(event: HostEvent): void;
  /** The login is gone, or may be: ask the daemon. */
  loginInDoubt(): void;
}

/** The daemon closes a socket that sends nothing for five minutes. */
const KEEPALIVE = 60_000;

/** A socket that lived this long was good: the next loss starts counting at one again. */
const STABLE = 60_000;

export class EventStream {
  #socket: EventSocket | null = null;
  #cursor: number | null = null;
  #attempt = 0;
  #openedAt: number | null = null;
  #cancelTimer: () => void = () => {};
  #stopped = true;

  constructor(
    private readonly open: (query: string) => EventSocket,
    private readonly owner: StreamOwner,
    private readonly clock: Clock,
    private readonly random: () => number = Math.random,
  ) {}

  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    this.#cursor = null;
    this.#attempt = 0;
    this.#drop();
    this.owner.state({ kind: "closed", why: "" });
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
    const cursor = this.#cursor === null ? "" : `&cursor=hosts:${this.#cursor}`;
    const socket = this.open(`topics=hosts${cursor}`);
    this.#socket = socket;
    this.#openedAt = null;
    this.owner.state({ kind: "connecting" });
    socket.onopen = () => {
      this.#openedAt = this.clock.now();
      this.owner.state({ kind: "open" });
      this.owner.reload();
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
    let message: Envelope | Gap;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (message.topic !== "hosts") return;
    if ("gap" in message) {
      this.#cursor = message.gap.to;
      this.owner.reload();
      return;
    }
    if (typeof message.seq !== "number" || !message.data) return;
    const hole = this.#cursor !== null && message.seq > this.#cursor + 1;
    this.#cursor = message.seq;
    this.owner.event(message.data);
    if (hole) this.owner.reload();
  }

  #closed(code: number, reason: string): void {
    const openedAt = this.#openedAt;
    this.#drop();
    if (this.#stopped) return;
    if (code === 4003) {
      this.#stopped = true;
      this.owner.state({ kind: "closed", why: "You may no longer see the host list." });
      return;
    }
    // A refused upgrade hides its status from scripts: only an HTTP call can tell a lost login
    // from a lost network. The owner stops the stream when the login is gone.
    if (openedAt === null || code === 4001) this.owner.loginInDoubt();
    else if (this.clock.now() - openedAt >= STABLE) this.#attempt = 0;
    this.#wait(retryIn(reason) ?? backoff(this.#attempt++, this.random));
  }

  #wait(milliseconds: number): void {
    this.owner.state({ kind: "waiting", until: this.clock.now() + milliseconds });
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
