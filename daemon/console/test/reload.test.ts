import { beforeEach, describe, expect, test } from "vitest";
import { ADA, appear, connected, Daemon, host, load, running } from "./console";
import { settle } from "./fake";

const bytes = (text: string) => new TextEncoder().encode(text);
const unloading = () => {
  const event = new Event("beforeunload", { cancelable: true });
  dispatchEvent(event);
  return event.defaultPrevented;
};

let daemon: Daemon;

/** A page with one terminal, connected. */
async function working(id = "s1") {
  const page = await load();
  page.openTerminal(host("web"));
  const tab = page.tabs.value.at(-1);
  if (!tab) throw new Error("no tab");
  const socket = await appear(tab, daemon);
  socket.say(connected(id));
  return { page, tab, socket };
}

beforeEach(() => {
  sessionStorage.clear();
  daemon = new Daemon();
});

describe("a page that is loaded again", () => {
  test("has its terminals again, each from its beginning", async () => {
    await working();
    const page = await load("/terminal?host=web");
    const [tab] = page.tabs.value;
    expect(tab?.host).toEqual({ id: "web", friendly_name: "web.example" });
    expect(tab?.asked.value).toEqual({ mode: "pty", username: "root" });
    const socket = await appear(tab, daemon);
    expect(socket.last).toMatchObject({ resume: { session_id: "s1", offset: 0 } });
    socket.say(connected("s1", { resumed: true }));
    expect(tab?.state.value.kind).toBe("connected");
  });

  test("keeps the order of the tabs and the one that was looked at", async () => {
    const { page } = await working("s1");
    page.attachTerminal(running("s2"));
    page.attachTerminal(running("s3"));
    const second = page.tabs.value[1];
    if (second) page.activate(second);
    const again = await load("/terminal?host=web");
    expect(again.tabs.value.map((tab) => tab.session.value)).toEqual(["s1", "s2", "s3"]);
    expect(again.active.value?.session.value).toBe("s2");
  });

  test("has the size of before until it knows its own", async () => {
    const { page } = await working();
    page.attachTerminal(running("s2", { cols: 132, rows: 50 }));
    const again = await load();
    expect(again.tabs.value[1]?.sized.value).toEqual({ cols: 132, rows: 50 });
  });

  test("remembers no secret", async () => {
    const { tab } = await working();
    const secrets = { password: "CANARY-1", privateKey: "CANARY-2", passphrase: "CANARY-3" };
    tab.connect({ connection_mode: "direct", username: "grace", ...secrets });
    await settle();
    daemon.socket.accept();
    daemon.socket.say(connected("s2"));
    expect(sessionStorage.getItem("gangplank.terminals")).toContain("grace");
    expect(JSON.stringify({ ...sessionStorage })).not.toContain("CANARY");
  });

  test("doesn't take back what another page has taken over", async () => {
    const { socket } = await working();
    socket.end(4009);
    expect((await load()).tabs.value).toEqual([]);
  });

  test("forgets what ended", async () => {
    const { socket } = await working();
    socket.say({ type: "closed", exit_status: 0 });
    expect((await load()).tabs.value).toEqual([]);
  });

  test("forgets what was another person's", async () => {
    await working();
    daemon.who = { ...ADA, id: "grace" };
    expect((await load()).tabs.value).toEqual([]);
    daemon.who = ADA;
    expect((await load()).tabs.value).toEqual([]);
  });

  test.each(["{", "[]", "7", '{"user":"ada","terminals":[{"id":1},null,{"id":"x"}]}'])(
    "makes nothing of %s",
    async (memory) => {
      sessionStorage.setItem("gangplank.terminals", memory);
      expect((await load()).tabs.value).toEqual([]);
    },
  );
});

describe("leaving the page", () => {
  test("asks nothing, since terminals run on", async () => {
    await working();
    expect(unloading()).toBe(false);
  });

  test("asks when a terminal ends with it, as those of PatchMon's agents do", async () => {
    const { page, tab, socket } = await working();
    socket.say({ type: "closed" });
    tab.reconnect();
    await settle();
    daemon.socket.accept();
    daemon.socket.say(connected("s2", { host_key: "unverified" }));
    expect(tab.canDetach).toBe(false);
    expect(unloading()).toBe(true);
    page.closeTab(tab);
    expect(unloading()).toBe(false);
  });

  test("lets go of the terminals at once, and coming back has them again", async () => {
    const { tab, socket } = await working();
    dispatchEvent(new Event("pagehide"));
    expect(socket.closedWith).toBeUndefined();
    expect(socket.of("disconnect")).toEqual([]);
    dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    await settle();
    daemon.socket.accept();
    expect(daemon.socket.last).toMatchObject({ resume: { session_id: "s1", offset: 0 } });
    daemon.socket.say(connected("s1", { resumed: true }));
    expect(tab.state.value.kind).toBe("connected");
  });

  test("asks when it would lose what was typed", async () => {
    const { page, tab, socket } = await working();
    socket.end(1001, "retry_in=60000");
    tab.input(bytes("make install\r"));
    expect(tab.waiting.value).toEqual({ kind: "typed", bytes: 13, keys: 13 });
    expect(unloading()).toBe(true);
    page.closeTab(tab);
    expect(unloading()).toBe(false);
  });
});

describe("a login", () => {
  test("that runs out leaves its terminals running, and the next one has them again", async () => {
    const { page, socket } = await working();
    daemon.who = 401;
    await page.ask();
    expect(page.tabs.value).toEqual([]);
    expect(socket.of("disconnect")).toEqual([]);
    expect(socket.closedWith).toBe(1000);
    daemon.who = ADA;
    await page.login({ username: "ada", password: "x" });
    expect(page.tabs.value.map((tab) => tab.session.value)).toEqual(["s1"]);
  });

  test("that the person ends leaves them running too, and nothing in the browser", async () => {
    const { page, socket } = await working();
    await page.logout();
    expect(socket.of("disconnect")).toEqual([]);
    expect(sessionStorage.length).toBe(0);
    await page.login({ username: "ada", password: "x" });
    expect(page.tabs.value).toEqual([]);
  });
});

describe("a tab", () => {
  test("that is closed ends its terminal", async () => {
    const { page, tab, socket } = await working();
    page.closeTab(tab);
    expect(socket.of("disconnect")).toHaveLength(1);
    expect(page.tabs.value).toEqual([]);
  });

  test("that is closed while its socket is away ends its terminal all the same", async () => {
    const { page, tab, socket } = await working();
    socket.end(1001, "retry_in=60000");
    page.closeTab(tab);
    await settle();
    expect(daemon.calls).toContain("DELETE sessions/s1");
  });

  test("that is closed after another page took over leaves the terminal to that page", async () => {
    const { page, tab, socket } = await working();
    socket.end(4009);
    page.closeTab(tab);
    await settle();
    expect(daemon.calls).not.toContain("DELETE sessions/s1");
  });

  test("that is detached leaves its terminal running", async () => {
    const { page, tab, socket } = await working();
    page.detachTab(tab);
    await settle();
    expect(socket.of("disconnect")).toEqual([]);
    expect(socket.closedWith).toBe(1000);
    expect(daemon.calls).not.toContain("DELETE sessions/s1");
    expect((await load()).tabs.value).toEqual([]);
  });

  test("is not opened twice for one terminal, and takes it back from another page", async () => {
    const { page, tab, socket } = await working();
    socket.end(4009);
    page.attachTerminal(running("s1"));
    await settle();
    expect(page.tabs.value).toEqual([tab]);
    daemon.socket.accept();
    expect(daemon.socket.last).toMatchObject({ resume: { session_id: "s1" } });
  });
});

describe("my terminals", () => {
  test("are what runs, the oldest first", async () => {
    daemon.sessions = [
      running("new", { started_at: "2026-01-03T00:00:00Z" }),
      running("over", { state: "ended" }),
      running("old", { started_at: "2026-01-02T00:00:00Z" }),
    ];
    const page = await load();
    expect(page.mine.value?.map(({ id }) => id)).toEqual(["old", "new"]);
  });

  test("are gone from the list when ended, before the daemon says so", async () => {
    daemon.sessions = [running("a"), running("b")];
    const page = await load();
    await page.endMine("a");
    expect(daemon.calls).toContain("DELETE sessions/a");
    expect(page.mine.value?.map(({ id }) => id)).toEqual(["b"]);
  });

  test("are nobody else's after a logout", async () => {
    daemon.sessions = [running("a")];
    const page = await load();
    await page.logout();
    expect(page.mine.value).toBeNull();
  });

  test("are not asked for without the right to open any", async () => {
    daemon.who = { ...ADA, permissions: [] };
    daemon.sessions = [running("a")];
    const page = await load();
    expect(page.mine.value).toBeNull();
  });
});
