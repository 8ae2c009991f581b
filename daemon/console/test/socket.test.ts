import { beforeEach, describe, expect, test } from "vitest";
import { ApiError } from "../src/api";
import type { Request } from "../src/terminal/request";
import { TerminalSocket } from "../src/terminal/socket";
import type { TerminalState } from "../src/terminal/state";
import { FakeClock, FakeSocket, settle } from "./fake";

const PTY: Request = { connection_mode: "pty", username: "root" };
const SSH: Request = { connection_mode: "direct", username: "grace", password: "wrong" };

class Page {
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

const connected = (session: string, more: object = {}) => ({
  type: "connected",
  session_id: session,
  offset: 0,
  input_offset: 0,
  resumed: false,
  host_key: "none",
  ...more,
});

const typed = (socket: FakeSocket) =>
  socket.bytes.map((bytes) => new TextDecoder().decode(bytes)).join("");
const bytes = (text: string) => new TextEncoder().encode(text);

let page: Page;
beforeEach(() => {
  page = new Page();
});

describe("connecting", () => {
  test("asks with the size of the screen once the socket is open", async () => {
    page.size_ = { cols: 132, rows: 50 };
    const socket = await page.connect(PTY);
    expect(socket.texts).toEqual([
      { type: "connect", ...PTY, terminal: "xterm-256color", cols: 132, rows: 50 },
    ]);
    socket.say(connected("s1"));
    expect(page.state).toEqual({ kind: "connected", hostKey: "none" });
  });

  test("a refused login is tried again on the same socket", async () => {
    const socket = await page.connect(SSH);
    socket.say({ type: "error", code: "auth_failed", message: "no" });
    expect(page.state.kind).toBe("failed");
    expect(page.terminal.canReconnect).toBe(false);
    page.terminal.connect({ ...SSH, password: "right" });
    await settle();
    expect(page.sockets).toHaveLength(1);
    expect(socket.last).toMatchObject({ type: "connect", password: "right" });
    socket.say(connected("s1"));
    expect(page.state.kind).toBe("connected");
  });

  test("a failed attempt whose socket went is tried again on another", async () => {
    const socket = await page.connect(SSH);
    socket.say({ type: "error", code: "auth_failed", message: "no" });
    socket.end(1006);
    expect(page.state.kind).toBe("failed");
    await page.connect({ ...SSH, password: "right" });
    expect(page.sockets).toHaveLength(2);
    expect(page.socket.last).toMatchObject({ password: "right" });
  });

  test("an unknown host key is asked for, and accepted with the same credentials", async () => {
    const socket = await page.connect(SSH);
    socket.say({
      type: "error",
      code: "host_key_unknown",
      message: "?",
      key_type: "ssh-ed25519",
      fingerprint: "SHA256:abc",
    });
    expect(page.state).toEqual({
      kind: "host_key",
      keyType: "ssh-ed25519",
      fingerprint: "SHA256:abc",
    });
    page.terminal.acceptHostKey();
    expect(socket.last).toMatchObject({ accept_host_key: "SHA256:abc", password: "wrong" });
  });

  test("a refused host key forgets the credentials", async () => {
    const socket = await page.connect(SSH);
    socket.say({ type: "error", code: "host_key_unknown", message: "?", fingerprint: "SHA256:x" });
    page.terminal.refuseHostKey();
    expect(page.state.kind).toBe("idle");
    expect(page.terminal.canReconnect).toBe(false);
  });

  test("a changed host key is a refusal without a question", async () => {
    const socket = await page.connect(SSH);
    socket.say({ type: "error", code: "host_key_changed", message: "!", fingerprint: "SHA256:x" });
    expect(page.state).toMatchObject({ kind: "failed", error: { code: "host_key_changed" } });
  });

  test("questions of the host are answered", async () => {
    const socket = await page.connect(SSH);
    socket.say({ type: "prompt", prompts: [{ text: "Code:", echo: false }] });
    expect(page.state).toMatchObject({ kind: "prompt", name: "", instructions: "" });
    page.terminal.answer(["123456"]);
    expect(socket.last).toEqual({ type: "answers", answers: ["123456"] });
    expect(page.state.kind).toBe("connecting");
  });

  test("without a ticket it says why, and tries again only where that may help", async () => {
    page.tickets = [new ApiError(404, "not_found", "no"), new ApiError(503, "draining", "busy")];
    page.terminal.connect(PTY);
    await settle();
    expect(page.state).toMatchObject({ kind: "lost", why: "This host does not exist any more." });
    page.terminal.reconnect();
    await settle();
    expect(page.state).toMatchObject({ kind: "waiting", why: "busy" });
    await page.comesBack();
    expect(page.socket.last).toMatchObject({ type: "connect" });
  });

  test("messages that it can't read change nothing", async () => {
    const socket = await page.connected();
    socket.onmessage?.({ data: "{" } as MessageEvent);
    socket.say({ type: "of a later version" });
    expect(page.state.kind).toBe("connected");
  });
});

describe("output", () => {
  test("is acknowledged when it was parsed, counted since the terminal opened", async () => {
    const socket = await page.connected(PTY, 1_000);
    socket.output("hello");
    page.clock.pass(1_000);
    expect(socket.of("ack")).toEqual([]);
    page.parse();
    page.clock.pass(1_000);
    expect(socket.of("ack")).toEqual([{ type: "ack", offset: 1_005 }]);
  });

  test("in bulk is acknowledged at once, so that the window never runs dry", async () => {
    const socket = await page.connected();
    socket.output("x".repeat(40_000));
    page.parse();
    expect(socket.of("ack")).toEqual([{ type: "ack", offset: 40_000 }]);
  });

  test("that is lost counts as seen", async () => {
    const socket = await page.connected();
    socket.output("abc");
    socket.say({ type: "gap", from: 3, to: 103 });
    socket.output("def");
    page.parse();
    page.clock.pass(1_000);
    expect(page.gaps).toEqual([100]);
    expect(socket.of("ack")).toEqual([{ type: "ack", offset: 106 }]);
  });
});

describe("input", () => {
  test("waits in the page while the browser holds much of it", async () => {
    const socket = await page.connected();
    socket.bufferedAmount = 300_000;
    page.terminal.input(bytes("later"));
    expect(typed(socket)).toBe("");
    socket.bufferedAmount = 0;
    page.clock.pass(100);
    expect(typed(socket)).toBe("later");
  });

  test("before there is a session goes nowhere", async () => {
    page.terminal.input(bytes("lost"));
    const socket = await page.connected();
    expect(typed(socket)).toBe("");
  });

  test("takes back the announced end of an idle session", async () => {
    const socket = await page.connected();
    socket.say({ type: "idle", closes_in: 60 });
    expect(page.state).toMatchObject({ closesAt: page.clock.now() + 60_000 });
    page.terminal.input(bytes("x"));
    expect(page.state).toEqual({ kind: "connected", hostKey: "none" });
    expect(socket.of("keepalive")).toHaveLength(1);
  });
});

describe("losing the socket", () => {
  test("comes back to the same session at once, and types nothing twice", async () => {
    const first = await page.connected();
    first.output("12345");
    page.terminal.input(bytes("abc"));
    first.say({ type: "ack", input_offset: 1 });
    first.end(1006);
    expect(page.state).toEqual({ kind: "connecting", resuming: true });
    const second = await page.comesBack();
    expect(second.last).toMatchObject({ resume: { session_id: "s1", offset: 5 } });
    second.say(connected("s1", { resumed: true, offset: 5, input_offset: 2 }));
    expect(page.fresh).toBe(0);
    expect(typed(second)).toBe("c");
    page.parse();
    page.clock.pass(100);
    expect(second.of("ack")).toEqual([{ type: "ack", offset: 5 }]);
  });

  test("answers the questions of a short absence, as nobody else could", async () => {
    const first = await page.connected();
    first.end(1006);
    const second = await page.comesBack();
    second.say(connected("s1", { resumed: true, replay_to: 4 }));
    second.output("asks");
    expect(page.old).toBe("");
  });

  test("leaves those of a long absence alone: another page may have been there", async () => {
    const first = await page.connected();
    first.output("ab");
    first.end(1001, "retry_in=30000");
    const second = await page.comesBack();
    second.say(connected("s1", { resumed: true, offset: 2, replay_to: 5 }));
    second.output("cdefg");
    expect(page.old).toBe("cde");
    expect(page.shown).toBe("abcdefg");
  });

  test("says so when the session ended meanwhile, and opens no other unasked", async () => {
    const first = await page.connected();
    first.end(1006);
    page.terminal.input(bytes("rm -rf build\r"));
    const second = await page.comesBack();
    second.say({ type: "error", code: "no_such_session", message: "gone" });
    expect(page.state).toEqual({ kind: "gone" });
    expect(page.notices).toHaveLength(1);
    second.end(1000);
    page.terminal.reconnect();
    await settle();
    page.socket.accept();
    expect(page.socket.last).not.toHaveProperty("resume");
    page.socket.say(connected("s2"));
    expect(page.fresh).toBe(1);
    expect(typed(page.socket)).toBe("");
  });

  test("never keeps a password for that", async () => {
    const first = await page.connected({ ...SSH, password: "right" });
    first.end(1006);
    const second = await page.comesBack();
    expect(second.last).not.toHaveProperty("password");
    second.say({ type: "error", code: "no_such_session", message: "gone" });
    expect(page.state.kind).toBe("gone");
    expect(page.terminal.canReconnect).toBe(false);
  });

  test("waits as long as a stopping daemon asks", async () => {
    const socket = await page.connected();
    socket.end(1001, "retry_in=2500");
    expect(page.state).toMatchObject({ kind: "waiting", until: page.clock.now() + 2_500 });
    page.clock.pass(2_499);
    await settle();
    expect(page.sockets).toHaveLength(1);
    page.clock.pass(1);
    await settle();
    expect(page.sockets).toHaveLength(2);
  });

  test("comes back to a session after short waits", async () => {
    const waits: number[] = [];
    let socket = await page.connected();
    for (let round = 0; round < 8; round += 1) {
      socket.end(1006);
      waits.push(page.state.kind === "waiting" ? page.state.until - page.clock.now() : 0);
      socket = await page.comesBack();
    }
    expect(waits).toEqual([0, 200, 400, 800, 1_600, 2_500, 2_500, 2_500]);
  });

  test("counts anew after a connection that lived for a while", async () => {
    let socket = await page.connected();
    for (let round = 0; round < 4; round += 1) {
      socket.end(1006);
      socket = await page.comesBack();
    }
    socket.say(connected("s1", { resumed: true }));
    for (let second = 0; second < 10; second += 1) {
      page.clock.pass(1_000);
      socket.output(".");
    }
    socket.end(1006);
    expect(page.state).toEqual({ kind: "connecting", resuming: true });
  });

  test("without a session waits longer each time it fails", async () => {
    const waits: number[] = [];
    let socket = await page.connect(PTY);
    for (let round = 0; round < 4; round += 1) {
      socket.end(1006);
      if (page.state.kind === "waiting") waits.push(page.state.until - page.clock.now());
      socket = await page.comesBack();
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000]);
  });

  test("tries again when the daemon can't reach the session yet", async () => {
    const first = await page.connected();
    first.end(1006);
    const second = await page.comesBack();
    second.say({ type: "error", code: "timeout", message: "slow" });
    expect(page.state).toMatchObject({ kind: "waiting", why: "slow" });
    const third = await page.comesBack();
    expect(third.last).toMatchObject({ resume: { session_id: "s1" } });
  });

  test.each([1002, 1003, 1007, 1008, 1009, 1013, 4002, 4003, 4009, 4999])(
    "with code %i leaves it to the person",
    async (code) => {
      const socket = await page.connected();
      socket.end(code);
      expect(page.state).toMatchObject({ kind: "lost", taken: code === 4009 });
      page.clock.pass(120_000);
      page.terminal.check();
      await settle();
      expect(page.sockets).toHaveLength(1);
      page.terminal.reconnect();
      await settle();
      page.socket.accept();
      expect(page.socket.last).toMatchObject({ resume: { session_id: "s1" } });
    },
  );

  test("to another page answers nothing that the other has answered", async () => {
    const first = await page.connected();
    first.output("mine");
    first.end(4009);
    page.terminal.reconnect();
    await settle();
    page.socket.accept();
    page.socket.say(connected("s1", { resumed: true, offset: 4, replay_to: 9 }));
    page.socket.output("yours");
    page.socket.output("mine again");
    expect(page.old).toBe("yours");
  });

  test("with 4001 asks whether the login still stands", async () => {
    const socket = await page.connected();
    socket.end(4001);
    expect(page.doubts).toBe(1);
    expect(page.state.kind).toBe("lost");
  });
});

describe("waking up", () => {
  test("finds a dead socket in three seconds, and comes back at once", async () => {
    const socket = await page.connected();
    page.terminal.check();
    page.clock.pass(3_000);
    expect(socket.closedWith).toBeUndefined();
    const second = await page.comesBack();
    expect(second.last).toMatchObject({ resume: { session_id: "s1" } });
  });

  test("leaves a socket alone that answers", async () => {
    const socket = await page.connected();
    page.terminal.check();
    const [{ id } = {}] = socket.of("latency");
    page.clock.pass(20);
    socket.say({ type: "latency", id, daemon_us: 1_000, agent_us: null, host_us: null });
    page.clock.pass(3_000);
    expect(page.state.kind).toBe("connected");
    expect(page.measured).toEqual([20]);
  });

  test("cuts a wait short", async () => {
    const socket = await page.connected();
    socket.end(1001, "retry_in=60000");
    page.terminal.check();
    await settle();
    expect(page.sockets).toHaveLength(2);
    page.clock.pass(120_000);
    await settle();
    expect(page.sockets.length).toBeGreaterThan(2);
  });

  test("gives up an attempt that hangs since before, and not one that has just begun", async () => {
    const socket = await page.connected();
    socket.end(1006);
    await settle();
    page.terminal.check();
    await settle();
    expect(page.sockets).toHaveLength(2);
    page.clock.pass(3_001);
    page.terminal.check();
    await page.comesBack();
    expect(page.sockets).toHaveLength(3);
  });
});

describe("an attempt", () => {
  test("to come back goes by the cookie at first, and then by a ticket that tells why not", async () => {
    const first = await page.connected();
    expect(first.address).toBe("ticket");
    first.end(1006);
    expect(page.socket.address).toBe("cookie");
    page.socket.end(1006);
    page.tickets = [new ApiError(404, "not_found", "no")];
    page.clock.pass(400);
    await settle();
    expect(page.state).toMatchObject({ kind: "lost", why: "This host does not exist any more." });
    page.terminal.reconnect();
    await settle();
    expect(page.socket.address).toBe("ticket");
    page.socket.accept();
    page.socket.say(connected("s1", { resumed: true }));
    page.socket.end(1006);
    await page.comesBack();
    expect(page.socket.address).toBe("cookie");
  });

  test("that hangs is given up in time", async () => {
    const first = await page.connected();
    first.end(1006);
    await settle();
    page.clock.pass(9_999);
    expect(page.sockets).toHaveLength(2);
    expect(page.state.kind).toBe("connecting");
    page.clock.pass(1);
    expect(page.state.kind).toBe("waiting");
  });

  test("to log in on a host may take long", async () => {
    await page.connect(SSH);
    page.clock.pass(120_000);
    expect(page.state.kind).toBe("connecting");
    expect(page.sockets).toHaveLength(1);
  });
});

describe("typing while the terminal is away", () => {
  test("is kept, and sent once and in order", async () => {
    const first = await page.connected();
    page.terminal.input(bytes("before "));
    first.say({ type: "ack", input_offset: 3 });
    first.end(1006);
    page.terminal.input(bytes("while "));
    expect(page.terminal.backlog).toEqual({ bytes: 10, keys: 10 });
    const second = await page.comesBack();
    page.terminal.input(bytes("connecting "));
    second.say(connected("s1", { resumed: true, input_offset: 7 }));
    page.terminal.input(bytes("after"));
    expect(typed(second)).toBe("while connecting after");
    expect(page.shown).toBe("");
  });

  test("is bounded, and says when it is over", async () => {
    const first = await page.connected();
    first.end(1001, "retry_in=2000");
    page.terminal.input(new Uint8Array(256 * 1024 - 2));
    page.terminal.input(bytes("ok"));
    expect(page.notices).toEqual([]);
    page.terminal.input(bytes("x"));
    expect(page.notices).toHaveLength(1);
    const second = await page.comesBack();
    second.say(connected("s1", { resumed: true }));
    expect(typed(second)).toHaveLength(256 * 1024);
    expect(typed(second).endsWith("ok")).toBe(true);
  });

  test("doesn't keep where the mouse was", async () => {
    const first = await page.connected();
    page.terminal.report(bytes("\x1b[<0;1;1M"));
    expect(typed(first)).toBe("\x1b[<0;1;1M");
    first.say({ type: "ack", input_offset: 9 });
    first.end(1006);
    page.terminal.report(bytes("\x1b[<0;2;2M"));
    expect(page.terminal.backlog.bytes).toBe(0);
  });

  test("goes nowhere once a person has to decide", async () => {
    const socket = await page.connected();
    socket.end(4009);
    page.terminal.input(bytes("x"));
    expect(page.terminal.backlog.bytes).toBe(0);
  });
});

describe("a terminal of an earlier page", () => {
  test("is shown from its beginning, and its old questions stay unanswered", async () => {
    const socket = await page.restored();
    expect(socket.last).toMatchObject({ ...PTY, resume: { session_id: "s1", offset: 0 } });
    socket.say(connected("s1", { resumed: true, input_offset: 70, replay_to: 3 }));
    socket.output("ab");
    socket.output("cde");
    expect(page.shown).toBe("abcde");
    expect(page.old).toBe("abc");
    page.parse();
    page.clock.pass(100);
    expect(socket.of("ack")).toEqual([{ type: "ack", offset: 5 }]);
    expect(page.fresh).toBe(0);
  });

  test("takes what is typed before it is there", async () => {
    page.terminal.resume("s1", PTY);
    page.terminal.input(bytes("ls\r"));
    await settle();
    page.socket.accept();
    page.socket.say(connected("s1", { resumed: true, input_offset: 1_000 }));
    expect(typed(page.socket)).toBe("ls\r");
    page.socket.say({ type: "ack", input_offset: 1_003 });
    expect(page.terminal.backlog.bytes).toBe(0);
  });

  test("whose beginning nobody keeps any more draws itself anew", async () => {
    const socket = await page.restored();
    socket.say(connected("s1", { resumed: true, offset: 100, replay_to: 103 }));
    socket.say({ type: "gap", from: 0, to: 100 });
    socket.output("abc");
    expect(page.gaps).toEqual([100]);
    const before = socket.of("resize").length;
    page.parse();
    page.clock.pass(1_000);
    expect(socket.of("resize").slice(before)).toEqual([
      { type: "resize", cols: 80, rows: 23 },
      { type: "resize", cols: 80, rows: 24 },
    ]);
    expect(socket.of("ack").at(-1)).toEqual({ type: "ack", offset: 103 });
  });

  test("that is whole is left as it is", async () => {
    const socket = await page.restored();
    socket.say(connected("s1", { resumed: true, replay_to: 3 }));
    socket.output("abc");
    page.parse();
    page.clock.pass(1_000);
    expect(socket.of("resize").every(({ rows }) => rows === 24)).toBe(true);
  });

  test("may wait for its agent", async () => {
    const socket = await page.restored();
    socket.say({ type: "error", code: "agent_offline", message: "away" });
    expect(page.state.kind).toBe("suspended");
    page.terminal.input(bytes("x"));
    expect(typed(socket)).toBe("");
    socket.say(connected("s1", { resumed: true, input_offset: 5 }));
    expect(typed(socket)).toBe("x");
  });

  test("may have ended meanwhile", async () => {
    const socket = await page.restored(SSH);
    socket.say({ type: "error", code: "no_such_session", message: "gone" });
    expect(page.state).toEqual({ kind: "gone" });
    expect(page.terminal.sessionId).toBeNull();
    expect(page.terminal.canReconnect).toBe(false);
  });
});

describe("the end", () => {
  test("tells how, and stays told when the socket follows", async () => {
    const socket = await page.connected();
    socket.say({ type: "closed", exit_status: 3 });
    socket.end(4010);
    expect(page.state).toEqual({ kind: "ended", exitStatus: 3 });
  });

  test("a new session after it takes a new socket", async () => {
    const socket = await page.connected();
    socket.say({ type: "closed", exit_status: 0 });
    page.terminal.reconnect();
    await settle();
    expect(page.sockets).toHaveLength(2);
    page.socket.accept();
    expect(page.socket.last).not.toHaveProperty("resume");
  });

  test("closing the tab ends the session on the host", async () => {
    const socket = await page.connected();
    expect(page.terminal.end()).toBe(true);
    expect(socket.last).toEqual({ type: "disconnect" });
    expect(socket.closedWith).toBe(1000);
    expect(page.state.kind).toBe("idle");
  });

  test("can't be told to a daemon that is away", async () => {
    const socket = await page.connected();
    socket.end(1006);
    const attempts = page.sockets.length;
    expect(page.terminal.end()).toBe(false);
    page.clock.pass(60_000);
    await settle();
    expect(page.sockets).toHaveLength(attempts);
  });

  test("doesn't come by leaving", async () => {
    const socket = await page.connected();
    page.terminal.leave();
    expect(socket.of("disconnect")).toEqual([]);
    expect(socket.closedWith).toBe(1000);
    expect(page.terminal.sessionId).toBeNull();
  });
});

describe("an agent that is away", () => {
  test("leaves the socket, which takes what is typed and says nothing again", async () => {
    const socket = await page.connected();
    page.terminal.input(bytes("ab"));
    socket.say({ type: "error", code: "agent_offline", message: "away" });
    expect(page.state.kind).toBe("suspended");
    page.terminal.input(bytes("cd"));
    expect(typed(socket)).toBe("abcd");
    expect(page.terminal.backlog.keys).toBe(4);
    // The daemon has it all, and the terminal none of it yet.
    socket.say(connected("s1", { resumed: true, input_offset: 4 }));
    expect(page.state.kind).toBe("connected");
    expect(typed(socket)).toBe("abcd");
    expect(page.terminal.backlog.keys).toBe(4);
    socket.say({ type: "ack", input_offset: 3 });
    expect(page.terminal.backlog.keys).toBe(1);
  });

  test("and then the daemon too: another socket goes on where the terminal is", async () => {
    const first = await page.connected();
    page.terminal.input(bytes("ab"));
    first.say({ type: "error", code: "agent_offline", message: "away" });
    page.terminal.input(bytes("cd"));
    first.end(1006);
    const second = await page.comesBack();
    second.say(connected("s1", { resumed: true, input_offset: 1 }));
    expect(typed(second)).toBe("bcd");
  });

  test("and comes back without the session has ended it", async () => {
    const socket = await page.connected();
    socket.say({ type: "error", code: "agent_offline", message: "away" });
    socket.say({ type: "closed", reason: "the agent was started anew" });
    socket.end(4010);
    expect(page.state).toEqual({ kind: "ended", reason: "the agent was started anew" });
  });

  test("from the start is a failed attempt", async () => {
    const socket = await page.connect(PTY);
    socket.say({ type: "error", code: "agent_offline", message: "away" });
    expect(page.state.kind).toBe("failed");
    expect(page.terminal.canReconnect).toBe(true);
  });
});
