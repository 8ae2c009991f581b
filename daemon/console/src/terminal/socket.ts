/**
 * One terminal of this page: the session, the connection it is attached to, and what happens when
 * either is lost.
 *
 *     idle ── connect ──> connecting <──> prompt, host_key      (a person answers)
 *       │                   └<──> approval                      (another person agrees)
 *       └──── resume ──────┤ │  ^ ^
 *              connected <─┘ │  │ └──> failed ── connect ──> …  (on the same socket)
 *               │  ^  ^      │  │
 *               │  │  └── suspended     (the agent is away, the socket stays)
 *               │  └──────── waiting    (in a while, or when the page wakes up)
 *               └──────────> lost, ended, gone                  (a person decides)
 *
 * While a session that lives is away, what is typed is kept, and sent when it is back. Nothing here
 * knows xterm.js or the DOM.
 */
import type { Clock } from "../backoff";
import type { Connected, TerminalError, ToPage } from "../wire";
import { type Ending, ending, withoutTicket } from "./closing";
import { Connection, type ConnectionOwner, type Line } from "./connection";
import type { Backlog } from "./input";
import { Asked, type Request } from "./request";
import { Retry } from "./retry";
import { type Screen, Session } from "./session";
import { endOf, isAway, type Owner, type TerminalState } from "./state";

/** What may be typed while the session is away, in bytes. */
const KEPT = 256 * 1024;

/** A program gets this long to see the smaller of two sizes. */
const NUDGE = 150;

export class TerminalSocket {
  #state: TerminalState = { kind: "idle" };
  #connection: Connection | null = null;
  #asked: Asked | null = null;
  #session: Session | null = null;
  /** Some session was shown before. */
  #shown = false;
  /** No attempt has failed since the session was there. */
  #quick = true;
  readonly #retries: Retry;

  constructor(
    private readonly line: Line,
    private readonly owner: Owner,
    private readonly clock: Clock,
    random: () => number = Math.random,
  ) {
    this.#retries = new Retry(clock, random);
  }

  get state(): TerminalState {
    return this.#state;
  }

  /** The session that lives, shown or to be come back to. */
  get sessionId(): string | null {
    return this.#session?.id ?? null;
  }

  /** Input that the terminal may not have yet. */
  get backlog(): Backlog {
    return this.#session?.backlog ?? { bytes: 0, keys: 0 };
  }

  /** Bytes of input that wait to be sent. */
  get unsent(): number {
    return this.#session?.unsent ?? 0;
  }

  /** Whether `reconnect` can do without asking the person for a secret. */
  get canReconnect(): boolean {
    return this.#session !== null || (this.#asked?.repeatable ?? false);
  }

  /** Opens a session: on the socket of a failed attempt when that still stands. */
  connect(request: Request): void {
    this.#asked = Asked.now(request);
    this.#endSession();
    this.#begin();
  }

  /** Shows a session that another page opened, as `request` tells. */
  resume(id: string, request: Request): void {
    this.#asked = Asked.before(request);
    this.#session = Session.continued(id, this.#screen, this.clock);
    this.#begin();
  }

  /** Comes back to what was lost, at once. A session that still lives goes on. */
  reconnect(): void {
    if (this.#asked) this.#begin();
  }

  /** The page is put aside: the session is left to itself until somebody wakes us up. */
  pause(): void {
    if (!this.#session || this.#state.kind === "lost" || this.#state.kind === "failed") return;
    this.#retries.cancel();
    this.#drop();
    this.#become({ kind: "waiting", why: "This page was put aside.", until: this.clock.now() });
  }

  /** The network or the machine was away: what looks alive may be dead, and no wait has a reason. */
  check(): void {
    if (this.#state.kind === "waiting") this.#begin();
    else if (this.#session) this.#connection?.doubt();
  }

  /** The person trusts this key for this host. */
  acceptHostKey(): void {
    if (this.#state.kind !== "host_key") return;
    this.#asked?.trust(this.#state.fingerprint);
    this.#begin();
  }

  refuseHostKey(): void {
    if (this.#state.kind !== "host_key") return;
    this.#asked?.forgetSecrets();
    this.#become({ kind: "idle" });
  }

  answer(answers: string[]): void {
    if (this.#state.kind !== "prompt") return;
    this.#become({ kind: "connecting", resuming: false });
    this.#connection?.say({ type: "answers", answers });
  }

  input(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#state.kind === "connected") {
      if (this.#state.closesAt !== undefined) this.stay();
      this.#session?.type(bytes);
    } else if (this.#session && isAway(this.#state)) {
      if (this.backlog.bytes + bytes.length <= KEPT) this.#session.type(bytes);
      else this.owner.notice("Too much waits already: what came last was not taken.");
    }
  }

  /** What makes sense at once or never, such as where the mouse is. */
  report(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#state.kind === "connected") this.#session?.type(bytes);
  }

  resize(cols: number, rows: number): void {
    if (this.#state.kind === "connected") this.#connection?.say({ type: "resize", cols, rows });
  }

  /** The person is there, though nothing was typed. */
  stay(): void {
    if (this.#state.kind !== "connected") return;
    this.#connection?.say({ type: "keepalive" });
    this.#become({ kind: "connected", hostKey: this.#state.hostKey });
  }

  /** Ends the session on the host. False: nobody could be told, and it may live on. */
  end(): boolean {
    const { kind } = this.#state;
    const away = this.#session !== null && kind !== "connected" && kind !== "suspended";
    if (!away) this.#connection?.say({ type: "disconnect" });
    this.leave();
    return !away;
  }

  /** Leaves the session to itself: it runs on without this page. */
  leave(): void {
    this.#retries.cancel();
    this.#connection?.close(1000);
    this.#connection = null;
    this.#endSession();
    this.#asked = null;
    this.#become({ kind: "idle" });
  }

  #begin(): void {
    this.#retries.cancel();
    // Only the socket of a failed attempt serves again; one whose session ended is about to close.
    const reusable = this.#state.kind === "failed" || this.#state.kind === "host_key";
    this.#become({ kind: "connecting", resuming: this.#session !== null });
    if (reusable && this.#connection?.isOpen) {
      this.#ask();
      return;
    }
    this.#drop();
    const quick = this.#session !== null && this.#quick;
    this.#connection = new Connection(this.line, this.#listener, this.clock, quick);
  }

  readonly #listener: ConnectionOwner = {
    opened: () => this.#ask(),
    noTicket: (error) => this.#closed(withoutTicket(error)),
    message: (message) => this.#message(message),
    output: (bytes) => this.#session?.output(bytes),
    measured: (latency) => this.owner.measured(latency),
    closed: (code, reason) => this.#closed(ending(code, reason)),
    seen: () => this.owner.seen(),
  };

  readonly #screen: Screen = {
    output: (bytes, done, old) => this.owner.output(bytes, done, old),
    gap: (lost, done) => this.owner.gap(lost, done),
    // A program draws its whole screen again when the size changes, and nothing else makes it.
    redraw: () => {
      const { cols, rows } = this.owner.size();
      this.resize(cols, Math.max(1, rows - 1));
      this.clock.after(NUDGE, () => this.#tellSize());
    },
  };

  #tellSize(): void {
    const { cols, rows } = this.owner.size();
    this.resize(cols, rows);
  }

  #ask(): void {
    if (!this.#asked) return;
    const session = this.#session;
    // A host may take long to let somebody in; a session that lives is there at once.
    if (!session) this.#connection?.wait();
    this.#connection?.say({
      type: "connect",
      ...this.#asked.request,
      terminal: "xterm-256color",
      ...this.owner.size(),
      ...(session ? { resume: { session_id: session.id, offset: session.received } } : {}),
    });
  }

  #message(message: ToPage): void {
    switch (message.type) {
      case "connected":
        this.#connected(message);
        break;
      case "ack":
        this.#session?.confirmInput(message.input_offset);
        break;
      case "gap":
        this.#session?.gap(message.to);
        break;
      case "prompt": {
        const { name = "", instructions = "", prompts } = message;
        this.#become({ kind: "prompt", name, instructions, prompts });
        break;
      }
      case "approval":
        if (message.state === "pending") {
          this.#become({ kind: "approval", until: Date.parse(message.expires_at) });
        } else {
          this.#become({ kind: "connecting", resuming: false });
        }
        break;
      case "idle":
        if (this.#state.kind === "connected") {
          const closesAt = this.clock.now() + message.closes_in * 1_000;
          this.#become({ ...this.#state, closesAt });
        }
        break;
      case "error":
        this.#error(message);
        break;
      case "closed":
        this.#over(endOf(message));
        break;
    }
  }

  #connected(message: Connected): void {
    this.#asked?.forgetSecrets();
    let session = this.#session;
    if (!message.resumed || session?.id !== message.session_id) {
      this.#endSession();
      if (this.#shown) this.owner.freshSession();
      session = Session.opened(message, this.#screen, this.clock);
      this.#session = session;
    }
    this.#shown = true;
    this.#quick = true;
    this.#retries.connected();
    this.#become({ kind: "connected", hostKey: message.host_key });
    if (this.#connection?.socket) session.attach(this.#connection.socket, message);
    this.#connection?.watch();
    // The window may have changed while the connection was being made.
    this.#tellSize();
  }

  #error(error: TerminalError): void {
    const { code, message } = error;
    if (this.#session && code === "no_such_session") {
      this.#over({ kind: "gone" });
    } else if (this.#session && code === "agent_offline") {
      this.#become({ kind: "suspended", why: message });
    } else if (this.#state.kind === "connected" || this.#state.kind === "suspended") {
      this.owner.notice(message);
    } else if (code === "host_key_unknown" && error.fingerprint) {
      const { key_type: keyType = "", fingerprint } = error;
      this.#become({ kind: "host_key", keyType, fingerprint });
    } else if (this.#session && ["unreachable", "timeout", "internal"].includes(code)) {
      this.#drop();
      this.#retry(message);
    } else {
      this.#asked?.forgetSecrets();
      this.#become({ kind: "failed", error });
    }
  }

  #closed(end: Ending): void {
    this.#drop();
    const { kind } = this.#state;
    const { why, next, wait } = end;
    this.#quick &&= kind !== "connecting";
    if (next === "login") this.owner.loginInDoubt();
    // A question or a failed attempt needs no socket: the next attempt opens another.
    if (["idle", "failed", "host_key", "ended", "gone", "lost"].includes(kind)) return;
    if (next === "ended") {
      this.#over({ kind: "ended", reason: why });
    } else if (next === "retry" && kind !== "prompt" && this.canReconnect) {
      this.#retry(why, wait);
    } else {
      if (next === "taken") this.#session?.share();
      this.#become({ kind: "lost", why, taken: next === "taken" });
    }
  }

  #retry(why: string, asked?: number): void {
    const until = this.#retries.schedule(() => this.#begin(), this.#session !== null, asked);
    if (until !== null) this.#become({ kind: "waiting", why, until });
  }

  #over(end: TerminalState): void {
    const unheard = isAway(this.#state) && this.backlog.bytes > 0;
    this.#endSession();
    this.#become(end);
    if (unheard) this.owner.notice("What you typed meanwhile was not sent.");
  }

  #endSession(): void {
    this.#session?.detach();
    this.#session = null;
  }

  #drop(): void {
    this.#session?.detach();
    this.#connection?.close();
    this.#connection = null;
  }

  #become(state: TerminalState): void {
    this.#state = state;
    this.owner.became(state);
  }
}
