import { beforeEach, describe, expect, test } from "vitest";
import { settle } from "./fake";
import { bytes, connected, Page, PTY, SSH, typed } from "./terminal-page";

let page: Page;
beforeEach(() => {
  page = new Page();
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
