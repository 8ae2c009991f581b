import { describe, expect, it } from "vitest";
import { ApiError } from "../src/api";
import { Follow, HELD } from "../src/inspector/follow";
import type { Frame, Inspection, Seen } from "../src/inspector/wire";
import { ending, escaped, purpose, shown, whose } from "../src/inspector/words";
import { FakeClock, settle } from "./fake";

const INSPECTION: Inspection = {
  id: "i",
  socket_id: "s",
  contents: true,
  state: "running",
  approval_id: null,
  expires_at: null,
  until: "2026-01-01T00:05:00Z",
  ended: null,
  message: null,
};

const frame = (number: number, more: Partial<Frame> = {}): Frame => ({
  number,
  at: "2026-01-01T00:00:00Z",
  direction: "in",
  kind: "text",
  size: 2,
  content: "hi",
  ...more,
});

const seen = (items: Frame[], more: Partial<Seen> = {}): Seen => ({
  ...INSPECTION,
  items,
  lost: 0,
  over: false,
  ...more,
});

/** A daemon that answers when the test says so. */
class Daemon {
  readonly asked: number[] = [];
  readonly waited: boolean[] = [];
  readonly clock = new FakeClock();
  #answer: { resolve: (seen: Seen) => void; reject: (why: unknown) => void } | null = null;
  readonly follow = new Follow(
    (after, waits) =>
      new Promise<Seen>((resolve, reject) => {
        this.asked.push(after);
        this.waited.push(waits);
        this.#answer = { resolve, reject };
      }),
    this.clock,
    () => 1,
  );

  async says(answer: Seen): Promise<void> {
    this.#answer?.resolve(answer);
    await settle();
  }

  async fails(error: Error): Promise<void> {
    this.#answer?.reject(error);
    await settle();
  }

  get numbers(): number[] {
    return this.follow.view.value.frames.map(({ number }) => number);
  }
}

describe("following", () => {
  it("asks for what comes after what it has, newest first, and holds so much", async () => {
    const daemon = new Daemon();
    void daemon.follow.run();
    await daemon.says(seen([frame(1), frame(2)]));
    await daemon.says(seen([frame(5)], { lost: 2 }));
    expect(daemon.asked).toEqual([0, 2, 5]);
    // The first answer shows how far it is, and so comes at once.
    expect(daemon.waited).toEqual([false, true, true]);
    expect(daemon.numbers).toEqual([5, 2, 1]);
    expect(daemon.follow.view.value.lost).toBe(2);
    const many = Array.from({ length: HELD + 10 }, (_, n) => frame(n + 6));
    await daemon.says(seen(many));
    expect(daemon.numbers.length).toBe(HELD);
    expect(daemon.numbers[0]).toBe(HELD + 15);
  });

  it("keeps what comes in a pause for afterwards", async () => {
    const daemon = new Daemon();
    void daemon.follow.run();
    await daemon.says(seen([frame(1)]));
    daemon.follow.pause(true);
    await daemon.says(seen([frame(2), frame(3)]));
    expect(daemon.numbers).toEqual([1]);
    expect(daemon.follow.view.value.waiting).toBe(2);
    daemon.follow.pause(false);
    expect(daemon.numbers).toEqual([3, 2, 1]);
    expect(daemon.follow.view.value.waiting).toBe(0);
  });

  it("tells of waiting and of a refusal, and asks no more when it is over", async () => {
    const daemon = new Daemon();
    void daemon.follow.run();
    await daemon.says(seen([], { state: "waiting", until: null }));
    expect(daemon.follow.view.value.standing?.state).toBe("waiting");
    const denied = { state: "over", over: true, ended: "denied", message: "bob: no" } as const;
    await daemon.says(seen([], denied));
    expect(daemon.follow.view.value.standing).toMatchObject({ ended: "denied" });
    expect(daemon.asked.length).toBe(2);
  });

  it("tries again after a failure, and not when there is nothing", async () => {
    const daemon = new Daemon();
    void daemon.follow.run();
    await daemon.fails(new ApiError(0, "no_answer", "no answer"));
    expect(daemon.follow.view.value).toMatchObject({ error: "no answer", gone: false });
    expect(daemon.asked.length).toBe(1);
    daemon.clock.pass(1_000);
    await settle();
    await daemon.says(seen([frame(1)]));
    expect(daemon.follow.view.value.error).toBeNull();
    await daemon.fails(new ApiError(404, "not_found", "not found"));
    daemon.clock.pass(60_000);
    await settle();
    expect(daemon.follow.view.value.gone).toBe(true);
    expect(daemon.asked.length).toBe(3);
  });

  it("asks nothing when nobody looks any more", async () => {
    const daemon = new Daemon();
    void daemon.follow.run();
    daemon.follow.stop();
    await daemon.says(seen([frame(1)]));
    expect(daemon.asked.length).toBe(1);
    expect(daemon.numbers).toEqual([]);
  });
});

describe("words", () => {
  it("let nothing of a frame act", () => {
    expect(escaped("a\r\n\u001b[2J\u202e\\")).toBe("a\\r\\n\\u001b[2J\\u202e\\\\");
    expect(shown(frame(1, { content: "<b>é</b>", size: 9 }), false)).toBe("<b>é</b>");
    expect(shown(frame(1, { content: "é", size: 2 }), true)).toBe("c3 a9");
  });

  it("say where a frame goes on, and show bytes as they are", () => {
    const cut = frame(1, { kind: "binary", content: "\ufffd\u0001", hex: "ff01", size: 900 });
    expect(shown(cut, true)).toBe("ff 01 …");
    expect(shown(cut, false)).toBe("\ufffd\\u0001 …");
    const { content: _, ...bare } = frame(1);
    expect(shown(bare, true)).toBe("");
  });

  it("name sockets and endings", () => {
    expect(purpose("/api/v1/ws/events")).toBe("Events");
    expect(purpose("/api/v1/ssh-terminal/{host_id}")).toBe("Terminal");
    expect(purpose("/api/{version}/agents/ws")).toBe("Agent");
    const socket = { user: null, host_id: "h" } as Parameters<typeof whose>[0];
    expect(whose(socket, () => "web")).toBe("the agent of web");
    expect(ending({ ...INSPECTION, ended: "denied", message: "bob denied this: no" })).toBe(
      "It was denied. bob denied this: no",
    );
  });
});
