/** A terminal's page as its connection sees it, with the daemon's side in the test's hands. */
import { ApiError } from "../src/api";
import type { Request } from "../src/terminal/request";
import { TerminalSocket } from "../src/terminal/socket";
import type { TerminalState } from "../src/terminal/state";
import { FakeClock, FakeSocket, settle } from "./fake";

export const PTY: Request = { connection_mode: "pty", username: "root" };
export const SSH: Request = { connection_mode: "direct", username: "grace", password: "wrong" };

export class Page {
  readonly clock = new FakeClock();
  readonly sockets: FakeSocket[] = [];
  readonly states: TerminalState[] = [];
  readonly notices: string[] = [];
  shown = "";
  /** The part of it that another page showed before. */
  old = "";
  fresh = 0;
  doubts = 0;
  gaps: number[] = [];
  measured: number[] = [];
  /** What the screen has yet to parse. */
  parsing: (() => void)[] = [];
  size_ = { cols: 80, rows: 24 };
  tickets: (string | ApiError)[] = [];
  readonly terminal = new TerminalSocket(
    {
      ticket: async () => {
        const ticket = this.tickets.shift() ?? "ticket";
        if (ticket instanceof ApiError) throw ticket;
        return ticket;
      },
      open: (ticket) => {
        const socket = new FakeSocket(ticket ?? "cookie");
        this.sockets.push(socket);
        return socket;
      },
    },
    {
      became: (state) => this.states.push(state),
      size: () => this.size_,
      output: (bytes, done, old) => {
        const text = new TextDecoder().decode(bytes);
        this.shown += text;
        if (old) this.old += text;
        this.parsing.push(done);
      },
      gap: (lost, done) => {
        this.gaps.push(lost);
        this.parsing.push(done);
      },
      freshSession: () => {
        this.fresh += 1;
      },
      notice: (text) => this.notices.push(text),
      measured: ({ total }) => this.measured.push(total),
      seen: () => true,
      loginInDoubt: () => {
        this.doubts += 1;
      },
    },
    this.clock,
    () => 0,
  );

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("no socket was opened");
    return socket;
  }

  get state(): TerminalState {
    return this.terminal.state;
  }

  parse(): void {
    for (const done of this.parsing.splice(0)) done();
  }

  async connect(request: Request): Promise<FakeSocket> {
    this.terminal.connect(request);
    await settle();
    this.socket.accept();
    return this.socket;
  }

  async connected(request = PTY, offset = 0): Promise<FakeSocket> {
    const socket = await this.connect(request);
    socket.say(connected("s1", { offset }));
    return socket;
  }

  /** Waits until the automatic attempt has its socket. */
  async comesBack(): Promise<FakeSocket> {
    if (this.state.kind === "waiting") this.clock.pass(this.state.until - this.clock.now());
    await settle();
    this.socket.accept();
    return this.socket;
  }

  /** A terminal of an earlier page, attached to. */
  async restored(request = PTY): Promise<FakeSocket> {
    this.terminal.resume("s1", request);
    await settle();
    this.socket.accept();
    return this.socket;
  }
}

export const connected = (session: string, more: object = {}) => ({
  type: "connected",
  session_id: session,
  offset: 0,
  input_offset: 0,
  resumed: false,
  host_key: "none",
  ...more,
});

export const typed = (socket: FakeSocket) =>
  socket.bytes.map((bytes) => new TextDecoder().decode(bytes)).join("");
export const bytes = (text: string) => new TextEncoder().encode(text);
