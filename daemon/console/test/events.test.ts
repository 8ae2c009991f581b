import { beforeEach, describe, expect, test } from "vitest";
import { EventStream } from "../src/events";
import type { StreamState } from "../src/live";
import type { HostEvent } from "../src/wire";
import { FakeClock, FakeSocket } from "./fake";

const event = (seq: number) => ({
  topic: "hosts",
  seq,
  id: `e${seq}`,
  at: "2026-01-01T00:00:00Z",
  data: { kind: "removed", host_id: `h${seq}` },
});

let clock: FakeClock;
let sockets: FakeSocket[];
let states: StreamState["kind"][];
let events: HostEvent[];
let reloads: number;
let doubts: number;
let stream: EventStream;

function socket(): FakeSocket {
  const last = sockets.at(-1);
  if (!last) throw new Error("no socket was opened");
  return last;
}

beforeEach(() => {
  clock = new FakeClock();
  sockets = [];
  states = [];
  events = [];
  reloads = 0;
  doubts = 0;
  stream = new EventStream(
    (query) => {
      sockets.push(new FakeSocket(query));
      return socket();
    },
    {
      state: (state) => states.push(state.kind),
      reload: () => {
        reloads += 1;
      },
      event: (data) => events.push(data),
      loginInDoubt: () => {
        doubts += 1;
      },
    },
    clock,
    () => 0,
  );
  stream.start();
});

describe("the event stream", () => {
  test("loads the list only when the socket is open, so that nothing falls between", () => {
    expect(socket().address).toBe("topics=hosts");
    expect(reloads).toBe(0);
    socket().accept();
    expect(reloads).toBe(1);
    expect(states).toEqual(["connecting", "open"]);
  });

  test("comes back with the number of the last event", () => {
    socket().accept();
    socket().say(event(41));
    socket().say(event(42));
    socket().end(1006);
    clock.pass(500);
    expect(sockets).toHaveLength(2);
    expect(socket().address).toBe("topics=hosts&cursor=hosts:42");
    expect(events).toHaveLength(2);
  });

  test("loads the list again after a gap, told or seen", () => {
    socket().accept();
    socket().say(event(1));
    socket().say({ topic: "hosts", gap: { from: 2, to: 9 } });
    expect(reloads).toBe(2);
    socket().say(event(10));
    expect(reloads).toBe(2);
    socket().say(event(12));
    expect(reloads).toBe(3);
  });

  test("passes over what it can't read", () => {
    socket().accept();
    socket().onmessage?.({ data: "{" } as MessageEvent);
    socket().say({ topic: "alerts", seq: 1, data: {} });
    socket().say({ topic: "hosts" });
    expect(events).toEqual([]);
  });

  test("keeps itself alive while it is open", () => {
    socket().accept();
    clock.pass(180_000);
    expect(socket().of("keepalive")).toHaveLength(3);
  });

  test("backs off while it can't connect, and asks whether the login stands", () => {
    const waits: number[] = [];
    for (let round = 0; round < 7; round += 1) {
      const before = clock.now();
      socket().end(1006);
      const known = sockets.length;
      while (sockets.length === known) clock.pass(100);
      waits.push(clock.now() - before);
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
    expect(doubts).toBe(7);
  });

  test("starts counting anew after a good connection", () => {
    for (let round = 0; round < 4; round += 1) {
      socket().end(1006);
      clock.pass(30_000);
    }
    socket().accept();
    clock.pass(60_000);
    socket().end(1006);
    clock.pass(500);
    expect(socket().readyState).toBe(0);
  });

  test("obeys a daemon that names the wait", () => {
    socket().accept();
    socket().end(1001, "retry_in=2000");
    clock.pass(1_999);
    expect(sockets).toHaveLength(1);
    clock.pass(1);
    expect(sockets).toHaveLength(2);
  });

  test("stops when the permission is withdrawn", () => {
    socket().accept();
    socket().end(4003);
    clock.pass(600_000);
    expect(sockets).toHaveLength(1);
    expect(states.at(-1)).toBe("closed");
  });

  test("asks about the login when it was ended", () => {
    socket().accept();
    socket().end(4001);
    expect(doubts).toBe(1);
    stream.stop();
    clock.pass(600_000);
    expect(sockets).toHaveLength(1);
  });

  test("doesn't wait for TCP when the browser knows the network is gone", () => {
    socket().accept();
    socket().say(event(7));
    stream.networkLost();
    expect(states.at(-1)).toBe("waiting");
    stream.retryNow();
    expect(socket().address).toBe("topics=hosts&cursor=hosts:7");
  });
});
