import { beforeEach, describe, expect, test } from "vitest";
import { settle } from "./fake";
import { bytes, connected, Page, PTY, SSH, typed } from "./terminal-page";

let page: Page;
beforeEach(() => {
  page = new Page();
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
