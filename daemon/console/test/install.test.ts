import { describe, expect, test } from "vitest";
import { applyEvent } from "../src/hosts";
import { follow, startInstall, stepOf } from "../src/install";
import { matches } from "../src/pages/hosts";
import { parseTarget, ways, withoutQuestion } from "../src/terminal/ways";
import type { Host, Presence } from "../src/wire";

function host(id: string, state: Presence = "offline", more: Partial<Host> = {}): Host {
  return {
    id,
    api_id: "gp_0123456789abcdef",
    friendly_name: id,
    address: null,
    port: 22,
    gateway_id: null,
    labels: [],
    status: {
      state,
      reason: null,
      since: null,
      secure: true,
      agent_version: null,
      rtt_ms: null,
    },
    agent: null,
    os: null,
    os_version: null,
    hostname: null,
    arch: null,
    terminal: ["pty"],
    pty_users: ["root"],
    run_as: "root",
    created_at: "2026-01-01T00:00:00Z",
    first_report_at: null,
    last_seen_at: null,
    ...more,
  };
}

describe("adding a host", () => {
  test("goes from waiting by connected to the first report", () => {
    let install = startInstall(["old"]);
    expect(stepOf(install)).toBe("waiting");
    install = follow(install, { kind: "presence", host: host("old", "online") });
    expect(stepOf(install)).toBe("waiting");
    install = follow(install, { kind: "added", host: host("new") });
    expect(stepOf(install)).toBe("waiting");
    install = follow(install, { kind: "presence", host: host("new", "online") });
    expect(stepOf(install)).toBe("connected");
    const reported = host("new", "online", { first_report_at: "2026-01-01T00:00:01Z" });
    install = follow(install, { kind: "first_report", host: reported });
    expect(stepOf(install)).toBe("reported");
  });

  test("watches the first new host and no other", () => {
    let install = startInstall([]);
    install = follow(install, { kind: "added", host: host("mine") });
    install = follow(install, { kind: "presence", host: host("other", "online") });
    expect(install.host?.id).toBe("mine");
    install = follow(install, { kind: "removed", host_id: "mine" });
    expect(stepOf(install)).toBe("waiting");
  });

  test("stops at a host that waits to be accepted", () => {
    const install = follow(startInstall([]), { kind: "added", host: host("new", "pending") });
    expect(stepOf(install)).toBe("pending");
  });
});

describe("the host list", () => {
  test("takes in events, also twice", () => {
    const changed = { kind: "changed" as const, host: host("a", "online") };
    const list = applyEvent(applyEvent(new Map(), changed), changed);
    expect([...list.keys()]).toEqual(["a"]);
    expect(applyEvent(list, { kind: "removed", host_id: "a" }).size).toBe(0);
  });

  test("is searched by every word and filtered by every label", () => {
    const found = host("web-01", "online", { labels: ["web", "prod"], os: "Debian" });
    expect(matches(found, "DEB web", new Set(["prod"]))).toBe(true);
    expect(matches(found, "deb mail", new Set())).toBe(false);
    expect(matches(found, "", new Set(["prod", "db"]))).toBe(false);
  });
});

describe("the ways to a host", () => {
  test("begin with the one that asks nothing", () => {
    const all = host("a", "online", { terminal: ["ssh", "pty"], address: "192.0.2.1" });
    expect(ways(all).map(({ mode }) => mode)).toEqual(["pty", "proxy", "direct"]);
    expect(withoutQuestion(all)).toEqual({ connection_mode: "pty", username: "root" });
    expect(withoutQuestion(host("b", "online", { terminal: ["ssh"] }))).toBeNull();
    const onlyAda = host("d", "online", { pty_users: ["ada"] });
    expect(withoutQuestion(onlyAda)).toEqual({ connection_mode: "pty", username: "ada" });
    expect(ways(host("c", "offline", { terminal: [] }))).toEqual([]);
    const behind = { terminal: [], address: "192.0.2.1", gateway_id: "a" };
    expect(ways(host("e", "offline", behind))[0]?.hint).toContain("through its gateway");
  });

  test("by the agent's SSH may name a target", () => {
    expect(parseTarget("db.internal:2222")).toEqual({ host: "db.internal", port: 2222 });
    expect(parseTarget("[::1]:22")).toEqual({ host: "::1", port: 22 });
    expect(parseTarget("localhost")).toEqual({ host: "localhost", port: 22 });
    expect(parseTarget("a:b")).toBeUndefined();
    expect(parseTarget("a:70000")).toBeUndefined();
  });
});
