import { beforeEach, describe, expect, test } from "vitest";
import { FakeClock, FakeSocket } from "../../test/fake";
import {
  type Alert,
  alerts,
  type Cursor,
  Events,
  followEvents,
  type Gap,
  type State,
} from "../src/index";

const alert = (seq: number) => ({
  topic: "alerts",
  seq,
  id: `e${seq}`,
  at: "2026-01-01T00:00:00Z",
  data: {
    id: `a${seq}`,
    title: "<img src=x>",
    severity: "high",
    status: "new",
    source: "test",
    iocs: [],
    mitre_techniques: [],
    timestamp: "2026-01-01T00:00:00Z",
  },
});

let clock: FakeClock;
let sockets: FakeSocket[];
let states: State[];
let seen: number[];
let titles: string[];
let gaps: Gap[];
let unreadable: string[];
let refused: number;
let chance: number;
const topics = { alerts };

function socket(): FakeSocket {
  const last = sockets.at(-1);
  if (!last) throw new Error("no socket was opened");
  return last;
}

/** The daemon takes it, and says where the topic begins. */
function accept(at = 0): void {
  socket().accept();
  socket().say({ positions: { alerts: at } });
}

const query = () => new URL(socket().address).searchParams;

function begin(
  more: { cursor?: Cursor<"alerts">; signal?: AbortSignal; ticket?: () => Promise<string> } = {},
) {
  return followEvents({
    base: "https://relay.example/below/",
    topics,
    onEvent({ seq, data }) {
      seen.push(seq);
      titles.push((data satisfies Alert).title);
    },
    onGap: (gap) => gaps.push(gap),
    onUnreadable: (topic, why) => unreadable.push(`${topic}: ${why}`),
    onState: (state) => states.push(state),
    onRefused: () => {
      refused += 1;
    },
    open: (address) => {
      sockets.push(new FakeSocket(address));
      return socket();
    },
    clock,
    random: () => chance,
    ...more,
  });
}

beforeEach(() => {
  clock = new FakeClock();
  sockets = [];
  states = [];
  seen = [];
  titles = [];
  gaps = [];
  unreadable = [];
  refused = 0;
  chance = 1;
});

describe("events", () => {
  test("are asked for below the base, by the socket that goes with it", () => {
    begin();
    expect(socket().address).toBe(
      "wss://relay.example/below/api/v1/ws/events?topics=alerts&positions=1",
    );
  });

  test("come whole though the connection was away for three seconds", () => {
    const following = begin();
    accept(40);
    socket().say(alert(41));
    socket().say(alert(42));
    chance = 3 / 4; // of the second attempt's ceiling of four seconds
    socket().end(1006);
    socket().end(1006);
    clock.pass(750);
    socket().end(1006);
    clock.pass(1_500);
    socket().end(1006);
    clock.pass(3_000);
    expect(sockets).toHaveLength(4);
    expect(query().get("cursor")).toBe("alerts:42");
    accept();
    // What was missed comes first; what is sent twice is heard once.
    for (const seq of [42, 43, 44, 45]) socket().say(alert(seq));
    expect(seen).toEqual([41, 42, 43, 44, 45]);
    expect(following.cursor).toEqual({ alerts: 45 });
    expect(gaps).toEqual([]);
    expect(titles[0]).toBe("<img src=x>");
  });

  test("go on after a cursor that an earlier page kept", () => {
    begin({ cursor: { alerts: 7 } });
    expect(query().get("cursor")).toBe("alerts:7");
    accept();
    socket().say(alert(8));
    expect([seen, gaps]).toEqual([[8], []]);
  });

  test("that are gone are told, by the daemon or by their numbers", () => {
    begin({ cursor: { alerts: 1 } });
    accept();
    socket().say({ topic: "alerts", gap: { from: 2, to: 9 } });
    socket().say(alert(10));
    socket().say(alert(13));
    expect(gaps).toEqual([
      { topic: "alerts", lost: { from: 2, to: 9 } },
      { topic: "alerts", lost: { from: 11, to: 12 } },
    ]);
    expect(seen).toEqual([10, 13]);
  });

  test("of a database that was restored begin where it ends", () => {
    begin({ cursor: { alerts: 900 } });
    accept();
    socket().say({ topic: "alerts", gap: { from: 1, to: 30 } });
    socket().say(alert(31));
    expect(seen).toEqual([31]);
  });

  test("are not lost by a cut before the first of them", () => {
    const following = begin();
    accept(17);
    expect(following.cursor).toEqual({ alerts: 17 });
    socket().end(1006);
    clock.pass(1_000);
    expect(query().get("cursor")).toBe("alerts:17");
    accept(17);
    for (const seq of [18, 19]) socket().say(alert(seq));
    expect([seen, gaps]).toEqual([[18, 19], []]);
  });

  test("are promised from when the daemon has said where they begin, and not before", () => {
    const following = begin();
    socket().accept();
    expect(following.state.kind).toBe("connecting");
    socket().end(1006);
    clock.pass(1_000);
    expect(query().get("cursor")).toBeNull();
    accept(20);
    expect(following.state.kind).toBe("open");
    socket().say(alert(21));
    expect([seen, gaps]).toEqual([[21], []]);
  });

  test("come from a daemon that doesn't say where they begin, too", () => {
    const following = begin();
    socket().accept();
    socket().say(alert(5));
    expect([following.state.kind, seen]).toEqual(["open", [5]]);
  });

  test("have the number that the page kept, whatever the daemon says", () => {
    const following = begin({ cursor: { alerts: 7 } });
    accept(900);
    expect(following.cursor).toEqual({ alerts: 7 });
    socket().say({ topic: "alerts", gap: { from: 1, to: 900 } });
    socket().say(alert(901));
    expect(seen).toEqual([901]);
  });

  test("that can't be read are passed over, and told", () => {
    const following = begin();
    accept(4);
    socket().onmessage?.({ data: "{" } as MessageEvent);
    socket().say({ topic: "hosts", seq: 1, id: "x", at: "", data: {} });
    socket().say([]);
    socket().say({ topic: "alerts", seq: "1" });
    socket().say({ ...alert(5), data: { id: 7 } });
    socket().say(alert(6));
    expect(seen).toEqual([6]);
    expect(gaps).toEqual([]);
    expect(unreadable).toHaveLength(3);
    expect(following.cursor).toEqual({ alerts: 6 });
  });
});

describe("the connection", () => {
  const kinds = () => states.map(({ kind }) => kind);

  test("keeps itself alive before five minutes are over", () => {
    begin();
    accept();
    clock.pass(299_000);
    expect(socket().of("keepalive")).toHaveLength(1);
    clock.pass(300_000);
    expect(socket().of("keepalive")).toHaveLength(2);
  });

  test("backs off with full jitter", () => {
    begin();
    for (const [share, wait] of [
      [1, 1_000],
      [1, 2_000],
      [0.5, 2_000],
      [1, 8_000],
      [0, 0],
      [1, 30_000],
      [1, 30_000],
    ] as const) {
      chance = share;
      socket().end(1006);
      expect(states.at(-1)).toMatchObject({ kind: "waiting", until: clock.now() + wait });
      clock.pass(wait);
    }
    expect(refused).toBe(7);
  });

  test("starts counting anew after a good connection", () => {
    begin();
    for (let round = 0; round < 5; round += 1) {
      socket().end(1006);
      clock.pass(30_000);
    }
    accept();
    clock.pass(60_000);
    socket().end(1006);
    expect(states.at(-1)).toMatchObject({ until: clock.now() + 1_000 });
  });

  test("obeys a daemon that names the wait", () => {
    begin();
    accept();
    socket().end(1001, "retry_in=2000");
    clock.pass(1_999);
    expect(sockets).toHaveLength(1);
    clock.pass(1);
    expect(sockets).toHaveLength(2);
  });

  test("leaves a full channel alone for longer", () => {
    begin();
    accept();
    chance = 0;
    socket().end(1013);
    const state = states.at(-1);
    expect(state).toMatchObject({ kind: "waiting", why: expect.stringContaining("no room") });
    clock.pass(29_999);
    expect(sockets).toHaveLength(1);
    clock.pass(1);
    expect(sockets).toHaveLength(2);
  });

  test.each([4001, 4003])(
    "stops and tells at %i, until somebody did something about it",
    (code) => {
      const following = begin();
      accept();
      socket().say(alert(3));
      socket().end(code);
      expect(states.at(-1)).toMatchObject({ kind: "closed", code, why: expect.any(String) });
      clock.pass(3_600_000);
      expect(sockets).toHaveLength(1);
      following.retryNow();
      expect(query().get("cursor")).toBe("alerts:3");
    },
  );

  test("tries at once when it is told to, and leaves an open one alone", () => {
    const following = begin();
    following.retryNow();
    accept();
    following.retryNow();
    expect(sockets).toHaveLength(1);
    following.networkLost();
    expect(kinds()).toEqual(["connecting", "open", "waiting"]);
    following.retryNow();
    clock.pass(120_000);
    expect(sockets).toHaveLength(2);
  });

  test("ends by its signal, for good", () => {
    const stop = new AbortController();
    const following = begin({ signal: stop.signal });
    accept();
    stop.abort();
    expect(socket().readyState).toBe(3);
    expect(states.at(-1)).toEqual({ kind: "closed", code: null, why: "" });
    following.retryNow();
    clock.pass(600_000);
    expect(sockets).toHaveLength(1);
    expect(new Events({ topics, onEvent: () => {}, signal: stop.signal }).state.kind).toBe(
      "closed",
    );
  });

  test("takes a new ticket for each opening", async () => {
    let tickets = 0;
    begin({
      ticket: () => {
        tickets += 1;
        return tickets === 1
          ? Promise.reject(new Error("no ticket today"))
          : Promise.resolve(`t${tickets}`);
      },
    });
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(states.at(-1)).toMatchObject({ kind: "waiting", why: "no ticket today" });
    clock.pass(1_000);
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(query().get("ticket")).toBe("t2");
  });
});
