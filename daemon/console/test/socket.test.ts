import { beforeEach, describe, expect, test } from "vitest";
import { ApiError } from "../src/api";
import { settle } from "./fake";
import { bytes, connected, Page, PTY, SSH, typed } from "./terminal-page";

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

  test("a terminal that somebody has to approve waits, and opens by itself", async () => {
    const socket = await page.connect(SSH);
    const asked = { type: "approval", approval_id: "a1", expires_at: "2026-01-01T00:00:00Z" };
    socket.say({ ...asked, state: "pending" });
    expect(page.state).toEqual({ kind: "approval", until: Date.UTC(2026, 0, 1) });
    page.terminal.input(bytes("x"));
    expect(socket.texts).toHaveLength(1);
    socket.say({ ...asked, state: "approved" });
    expect(page.state).toEqual({ kind: "connecting", resuming: false });
    socket.say({ type: "error", code: "host_key_unknown", message: "?", fingerprint: "SHA256:x" });
    page.terminal.acceptHostKey();
    expect(socket.last).toMatchObject({ accept_host_key: "SHA256:x", password: "wrong" });
    socket.say(connected("s1"));
    expect(page.state.kind).toBe("connected");
  });

  test("a terminal that is denied can be asked for again on the same socket", async () => {
    const socket = await page.connect(SSH);
    const asked = { type: "approval", approval_id: "a1", expires_at: "2026-01-01T00:00:00Z" };
    socket.say({ ...asked, state: "pending" });
    socket.say({ type: "error", code: "not_allowed", message: "bob denied this terminal" });
    expect(page.state.kind).toBe("failed");
    await page.connect(SSH);
    expect(page.sockets).toHaveLength(1);
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
