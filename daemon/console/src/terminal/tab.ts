/** One terminal tab: joins the socket with what is on the screen. */
import { type Signal, signal } from "@preact/signals";
import { socketAddress } from "../address";
import * as api from "../api";
import { realClock } from "../backoff";
import { rememberConnection } from "../settings";
import { complain } from "../ui/toast";
import { type Attachable, type ConnectionMode, type Host, TERMINAL_SUBPROTOCOL } from "../wire";
import type { Backlog } from "./input";
import type { Latency } from "./pulse";
import type { Request } from "./request";
import { TerminalSocket } from "./socket";
import { isAway, type Owner, type TerminalState } from "./state";
import type { Size, TerminalView } from "./view";
import { gapWords } from "./words";

let last = 0;

/** What a tab does when its screen is there. */
export type Beginning =
  | { kind: "ask" }
  | { kind: "connect"; request: Request }
  | { kind: "attach"; session: Attachable };

/** What waits in the page: what was typed while the session is away, or a long paste on its way. */
export type Waiting = ({ kind: "typed" } & Backlog) | { kind: "sending"; bytes: number } | null;

/** How often what waits is counted. */
const COUNT = 200;

export class TerminalTab implements Owner {
  readonly key = ++last;
  readonly state: Signal<TerminalState> = signal({ kind: "idle" });
  /** The session that lives, shown or to be come back to. */
  readonly session = signal<string | null>(null);
  readonly sized: Signal<Size>;
  /** What the program in the terminal calls its window; text of the host. */
  readonly title = signal("");
  readonly notices = signal("");
  readonly waiting = signal<Waiting>(null);
  readonly latency = signal<Latency | null>(null);
  /** The connect form is shown, whatever the state. */
  readonly asking = signal(false);
  /** What was asked for last, without secrets. */
  readonly asked = signal<{ mode: ConnectionMode; username: string } | null>(null);
  readonly #socket: TerminalSocket;
  #view: TerminalView | null = null;
  #counting = 0;

  constructor(
    readonly host: Pick<Host, "id" | "friendly_name">,
    private readonly beginning: Beginning,
    private readonly askWhoWeAre: () => void,
  ) {
    this.asking.value = beginning.kind === "ask";
    this.sized = signal({ cols: 80, rows: 24 });
    if (beginning.kind === "attach") {
      const { id, mode, username, cols, rows } = beginning.session;
      this.session.value = id;
      this.asked.value = { mode, username };
      if (cols !== null && rows !== null) this.sized.value = { cols, rows };
    }
    this.#socket = new TerminalSocket(
      {
        ticket: async () => (await api.terminalTicket(host.id)).ticket,
        open(ticket) {
          const path = `api/v1/ssh-terminal/${encodeURIComponent(host.id)}`;
          const query = ticket === null ? "" : `?ticket=${ticket}`;
          const socket = new WebSocket(socketAddress(path + query), TERMINAL_SUBPROTOCOL);
          socket.binaryType = "arraybuffer";
          return socket;
        },
      },
      this,
      realClock,
    );
  }

  /** The screen is there: what was asked for can begin. */
  show(view: TerminalView): void {
    this.#view = view;
    this.sized.value = view.size;
    const { beginning } = this;
    if (beginning.kind === "connect") this.connect(beginning.request);
    if (beginning.kind !== "attach") return;
    const { id, mode, username } = beginning.session;
    this.#socket.resume(id, { connection_mode: mode, username });
  }

  connect(request: Request): void {
    const { connection_mode: mode, username = "" } = request;
    this.asked.value = { mode, username };
    this.asking.value = false;
    this.notices.value = "";
    rememberConnection(this.host.id, mode, username);
    this.#socket.connect(request);
    this.#view?.focus();
  }

  /** Comes back at once where that needs no question, and else shows the form. */
  reconnect(): void {
    if (!this.#socket.canReconnect) {
      this.asking.value = true;
      return;
    }
    this.notices.value = "";
    this.#socket.reconnect();
    this.#view?.focus();
  }

  /**
   * Whether the terminal ends when nobody shows it. PatchMon's agents keep nothing; they are the
   * only ones whose host keys nobody checks.
   */
  get endsUnseen(): boolean {
    const state = this.state.value;
    return state.kind === "connected" && state.hostKey === "unverified";
  }

  /** Whether it can be left running. */
  get canDetach(): boolean {
    return this.session.value !== null && !this.endsUnseen;
  }

  get canReconnect(): boolean {
    return this.#socket.canReconnect;
  }

  /** The page is put aside. */
  pause(): void {
    this.#socket.pause();
  }

  /** The network or the machine was away, or the page was. */
  check(): void {
    this.#socket.check();
  }

  input(bytes: Uint8Array<ArrayBuffer>): void {
    this.#socket.input(bytes);
    if (this.#counting === 0) this.#count();
  }

  report(bytes: Uint8Array<ArrayBuffer>): void {
    this.#socket.report(bytes);
  }

  #count(): void {
    clearTimeout(this.#counting);
    const { backlog, unsent, state } = this.#socket;
    const typed = isAway(state) && backlog.bytes > 0;
    if (typed) this.waiting.value = { kind: "typed", ...backlog };
    else this.waiting.value = unsent > 0 ? { kind: "sending", bytes: unsent } : null;
    this.#counting = backlog.bytes > 0 ? window.setTimeout(() => this.#count(), COUNT) : 0;
  }

  resize(size: Size): void {
    this.sized.value = size;
    this.#socket.resize(size.cols, size.rows);
  }

  answer(answers: string[]): void {
    this.#socket.answer(answers);
    this.#view?.focus();
  }

  acceptHostKey(): void {
    this.#socket.acceptHostKey();
  }

  refuseHostKey(): void {
    this.#socket.refuseHostKey();
    this.asking.value = true;
  }

  /** Leaves a question of the host unanswered. */
  giveUp(): void {
    this.#socket.end();
    this.asking.value = true;
  }

  focus(): void {
    if (!this.asking.value) this.#view?.focus();
  }

  stay(): void {
    this.#socket.stay();
    this.#view?.focus();
  }

  /** Ends the session on the host. */
  end(): void {
    const id = this.session.value;
    const { value: state } = this.state;
    // The page that took it over has it now.
    if (state.kind === "lost" && state.taken) this.#socket.leave();
    else if (!this.#socket.end() && id !== null) void endFromAfar(id);
    this.#view = null;
  }

  /** Leaves the session running on the host. */
  leave(): void {
    this.#socket.leave();
    this.#view = null;
  }

  // What the socket tells.

  size(): Size {
    return this.#view?.size ?? this.sized.value;
  }

  output(bytes: Uint8Array, done: () => void, old: boolean): void {
    if (this.#view) this.#view.write(bytes, done, old);
    else done();
  }

  gap(lost: number, done: () => void): void {
    if (this.#view) this.#view.note(gapWords(lost), done);
    else done();
  }

  freshSession(): void {
    this.#view?.freshSession("new session");
    this.title.value = "";
  }

  notice(text: string): void {
    this.notices.value = text;
  }

  measured(latency: Latency): void {
    this.latency.value = latency;
  }

  seen(): boolean {
    return document.visibilityState === "visible";
  }

  became(state: TerminalState): void {
    this.state.value = state;
    this.session.value = this.#socket.sessionId;
    if (state.kind === "connected") this.notices.value = "";
    else this.latency.value = null;
    this.#count();
    // What a person can mend in the form brings the form back.
    if (state.kind === "failed" && !this.#socket.canReconnect) this.asking.value = true;
  }

  loginInDoubt(): void {
    this.askWhoWeAre();
  }
}

async function endFromAfar(id: string): Promise<void> {
  try {
    await api.endSession(id);
  } catch (error) {
    // One that is gone already is where it should be.
    if (error instanceof api.ApiError && error.status === 404) return;
    complain(`The terminal was not ended, and runs on for a while: ${String(error)}`);
  }
}
