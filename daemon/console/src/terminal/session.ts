/**
 * The bytes of one session, both ways, counted since it opened.
 *
 * It outlives sockets: attached to one it sends what was typed and acknowledges what was shown;
 * detached it keeps both counts, and takes what is typed, so that the next socket goes on where the
 * last one stopped.
 */
import type { Clock } from "../backoff";
import type { Connected, FromPage } from "../wire";
import { type Backlog, Input } from "./input";

/** What is used of a `WebSocket`. */
export type Socket = Pick<
  WebSocket,
  "readyState" | "bufferedAmount" | "onopen" | "onmessage" | "onclose" | "send" | "close"
>;

/** `WebSocket.OPEN`, by number, so that tests need no browser. */
export const OPEN = 1;

export function say(socket: Socket | null, message: FromPage): void {
  if (socket?.readyState === OPEN) socket.send(JSON.stringify(message));
}

/** Where output goes. */
export interface Screen {
  /**
   * Shows output; `done` when it has been parsed. What is `old` was shown by another page before:
   * that page has answered the questions in it.
   */
  output(bytes: Uint8Array, done: () => void, old: boolean): void;
  /** `lost` bytes of output are gone; `done` as above. */
  gap(lost: number, done: () => void): void;
  /** After a gap, what a program drew is not all there: it must draw its whole screen again. */
  redraw(): void;
}

/** Shown output is told at once from this many bytes on, and else after `ACK_DELAY`. */
const ACK_BYTES = 32 * 1024;
const ACK_DELAY = 50;

/** No program waits this long for an answer, which would then be taken for typed text. */
const UNANSWERED = 20_000;

/** Input waits in the page while the browser holds this much of it, looked at this often. */
const SEND_AHEAD = 256 * 1024;
const SEND_PAUSE = 10;

export class Session {
  #socket: Socket | null = null;
  #received = 0;
  #shown = 0;
  #acked = 0;
  readonly #input = new Input();
  /** No socket has told yet where our input begins. */
  #unplaced = true;
  /** The questions in output before `#replayTo` are not for this page to answer. */
  #shared: boolean;
  #detachedAt: number;
  /** Where output ended when this page came. */
  #replayTo = 0;
  /** Output was lost before `#replayTo`. */
  #torn = false;
  #cancelAck: (() => void) | null = null;
  #cancelPump: (() => void) | null = null;

  private constructor(
    readonly id: string,
    private readonly screen: Screen,
    private readonly clock: Clock,
    shared: boolean,
  ) {
    this.#shared = shared;
    this.#detachedAt = clock.now();
  }

  /** A session that begins with this page, as the daemon has just told. */
  static opened({ session_id, offset }: Connected, screen: Screen, clock: Clock): Session {
    const session = new Session(session_id, screen, clock, false);
    session.#received = session.#shown = session.#acked = offset;
    return session;
  }

  /** A session that another page has shown, to be shown here from its beginning. */
  static continued(id: string, screen: Screen, clock: Clock): Session {
    return new Session(id, screen, clock, true);
  }

  /** Output that this page has, shown or about to be. */
  get received(): number {
    return this.#received;
  }

  /** Bytes of input that wait to be sent. */
  get unsent(): number {
    return this.#input.unsent;
  }

  /** Input that the terminal may not have yet. */
  get backlog(): Backlog {
    return this.#input.unconfirmed;
  }

  /** Another page has it now: it shows what comes until this page has it back. */
  share(): void {
    this.#shared = true;
  }

  attach(socket: Socket, { offset, input_offset, replay_to = offset }: Connected): void {
    if (this.#unplaced) this.#input.beginAt(input_offset);
    // What was sent on this same socket is with the daemon, which passes it on.
    else if (this.#socket !== socket) this.#input.resumeAt(input_offset);
    this.#unplaced = false;
    this.#shared ||= !this.#socket && this.clock.now() - this.#detachedAt > UNANSWERED;
    this.#socket = socket;
    this.#replayTo = replay_to;
    this.gap(offset);
    this.#acknowledge();
    this.#caughtUp();
    this.#pump();
  }

  detach(): void {
    if (this.#socket) this.#detachedAt = this.clock.now();
    this.#socket = null;
    this.#cancelAck?.();
    this.#cancelAck = null;
    this.#cancelPump?.();
    this.#cancelPump = null;
  }

  type(bytes: Uint8Array<ArrayBuffer>): void {
    this.#input.push(bytes);
    this.#pump();
  }

  /** The terminal has all input before `offset`. */
  confirmInput(offset: number): void {
    this.#input.confirm(offset);
    this.#pump();
  }

  output(bytes: Uint8Array): void {
    const old = this.#shared ? Math.max(0, this.#replayTo - this.#received) : 0;
    this.#show(bytes.subarray(0, old), true);
    this.#show(bytes.subarray(old), false);
  }

  /** The next output has offset `to`: what lies before it never comes. */
  gap(to: number): void {
    if (to <= this.#received) return;
    const lost = to - this.#received;
    this.#received = to;
    this.#torn = true;
    this.#replayTo = Math.max(this.#replayTo, to);
    this.screen.gap(lost, () => this.#consumed(lost));
  }

  #show(bytes: Uint8Array, old: boolean): void {
    if (bytes.length === 0) return;
    this.#received += bytes.length;
    this.screen.output(bytes, () => this.#consumed(bytes.length), old);
  }

  #consumed(bytes: number): void {
    this.#shown += bytes;
    if (!this.#socket) return;
    if (this.#shown - this.#acked >= ACK_BYTES) this.#acknowledge();
    else this.#cancelAck ??= this.clock.after(ACK_DELAY, () => this.#acknowledge());
    this.#caughtUp();
  }

  #caughtUp(): void {
    if (this.#shown < this.#replayTo) return;
    this.#shared = false;
    if (!this.#torn) return;
    this.#torn = false;
    this.screen.redraw();
  }

  #acknowledge(): void {
    this.#cancelAck?.();
    this.#cancelAck = null;
    if (this.#shown === this.#acked) return;
    this.#acked = this.#shown;
    say(this.#socket, { type: "ack", offset: this.#shown });
  }

  #pump(): void {
    const socket = this.#socket;
    if (this.#cancelPump || socket?.readyState !== OPEN) return;
    while (this.#input.unsent > 0) {
      if (socket.bufferedAmount >= SEND_AHEAD) {
        // Sockets have no event for this: look again soon.
        this.#cancelPump = this.clock.after(SEND_PAUSE, () => {
          this.#cancelPump = null;
          this.#pump();
        });
        return;
      }
      const piece = this.#input.next();
      if (!piece) return;
      socket.send(piece);
    }
  }
}
