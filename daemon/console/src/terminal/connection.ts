/**
 * One attempt at a terminal socket: the ticket, the socket, whether it still stands, its end. The
 * next attempt is another object; nothing comes from one that was closed.
 *
 * The call for a ticket says why it is refused, which a refused socket doesn't. It also may be made
 * over a connection of the browser's that died together with the one before, and wait long. A quick
 * attempt does without: the cookie of the login goes with every socket.
 */
import type { Clock } from "../backoff";
import type { FromPage, ToPage } from "../wire";
import { type Latency, Pulse } from "./pulse";
import { OPEN, type Socket, say } from "./session";

/** From the first step to the daemon's first word. */
const ESTABLISH = 10_000;

/** An attempt without any answer is given up at this age when the page wakes up. */
const STALE = 3_000;

export interface Line {
  ticket(): Promise<string>;
  open(ticket: string | null): Socket;
}

export interface ConnectionOwner {
  noTicket(error: unknown): void;
  opened(): void;
  message(message: ToPage): void;
  output(bytes: Uint8Array): void;
  measured(latency: Latency): void;
  closed(code: number, reason: string): void;
  /** Whether somebody can see the page. */
  seen(): boolean;
}

export class Connection {
  #socket: Socket | null = null;
  #over = false;
  #answered = false;
  readonly #begunAt: number;
  readonly #pulse: Pulse;
  #cancelDeadline: () => void;

  constructor(
    private readonly line: Line,
    private readonly owner: ConnectionOwner,
    private readonly clock: Clock,
    quick: boolean,
  ) {
    this.#begunAt = clock.now();
    this.#cancelDeadline = clock.after(ESTABLISH, () => this.#end(1006));
    this.#pulse = new Pulse(
      {
        ask: (id) => this.say({ type: "latency", id }),
        measured: (latency) => owner.measured(latency),
        dead: () => this.#end(1006),
      },
      clock,
      () => owner.seen(),
    );
    if (quick) this.#open(null);
    else void this.#openByTicket();
  }

  get socket(): Socket | null {
    return this.#socket;
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === OPEN;
  }

  say(message: FromPage): void {
    say(this.#socket, message);
  }

  /** What was asked may take long. */
  wait(): void {
    this.#cancelDeadline();
  }

  /** There is a session: the way to it is watched from now on. */
  watch(): void {
    this.#pulse.start();
  }

  /** The network or the machine was away. */
  doubt(): void {
    if (this.#answered) this.#pulse.doubt();
    else if (this.clock.now() - this.#begunAt > STALE) this.#end(1006);
  }

  close(code?: number): void {
    this.#over = true;
    this.#cancelDeadline();
    this.#pulse.stop();
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close(code);
  }

  async #openByTicket(): Promise<void> {
    let ticket: string;
    try {
      ticket = await this.line.ticket();
    } catch (error) {
      if (this.#over) return;
      this.close();
      this.owner.noTicket(error);
      return;
    }
    if (!this.#over) this.#open(ticket);
  }

  #open(ticket: string | null): void {
    const socket = this.line.open(ticket);
    this.#socket = socket;
    socket.onopen = () => this.owner.opened();
    socket.onmessage = ({ data }) => this.#heard(data);
    socket.onclose = ({ code, reason }) => this.#end(code, reason);
  }

  #heard(data: unknown): void {
    this.#answered = true;
    this.#cancelDeadline();
    this.#pulse.heard();
    if (data instanceof ArrayBuffer) this.owner.output(new Uint8Array(data));
    if (typeof data !== "string") return;
    let message: ToPage;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (message.type === "latency") this.#pulse.answered(message);
    else this.owner.message(message);
  }

  #end(code: number, reason = ""): void {
    this.close();
    this.owner.closed(code, reason);
  }
}
