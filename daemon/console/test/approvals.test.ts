import { describe, expect, test } from "vitest";
import { readPolicy, utcOffset } from "../src/approvals/policy-form";
import type { Approval } from "../src/approvals/wire";
import { what } from "../src/approvals/words";

const approval = (more: Partial<Approval>): Approval => ({
  id: "a1",
  action: "command",
  object: "host:h1",
  payload: {},
  hash: "",
  case_id: null,
  risk_level: "medium",
  status: "pending",
  requested_by: "ada",
  context: {},
  requested_at: "2026-01-01T00:00:00Z",
  expires_at: "2026-01-01T01:00:00Z",
  decided_at: null,
  decided_by: null,
  note: null,
  job_id: null,
  batch_id: null,
  own: false,
  ...more,
});

describe("what is asked for", () => {
  test.each<[Partial<Approval>, string]>([
    [
      { context: { command: "run_tool", tool: "restart", host_name: "web-1" } },
      "run_tool restart on web-1",
    ],
    [{ payload: { command: "report_now" } }, "report_now on host:h1"],
    [
      { action: "batch", object: "batch:b", context: { command: "update_agent", hosts: 12 } },
      "update_agent on 12 hosts",
    ],
    [
      { action: "terminal", payload: { username: "root" }, context: { host_name: "db" } },
      "A terminal on db as root",
    ],
    [{ action: "isolate", object: "vlan 7" }, "isolate on vlan 7"],
    // What somebody wrote where something else belongs says nothing.
    [
      { action: "terminal", payload: { username: {} }, context: { host_name: 7 } },
      "A terminal on host:h1",
    ],
  ])("%o", (more, words) => {
    expect(what(approval(more))).toBe(words);
  });
});

describe("a policy", () => {
  test("has hours only when both are said", () => {
    const data = new FormData();
    data.set("name", " nights ");
    data.append("commands", "run_tool");
    data.set("tools", "restart, isolate");
    data.set("from", "20:00");
    data.set("utc_offset", "+01:00");
    data.set("risk_level", "high");
    data.set("life", "30m");
    expect(readPolicy(data)).toEqual({
      name: "nights",
      commands: ["run_tool"],
      tools: ["restart", "isolate"],
      terminals: [],
      labels: [],
      roles: [],
      hours: null,
      risk_level: "high",
      life: "30m",
    });
    data.set("to", "06:00");
    expect(readPolicy(data).hours).toEqual({
      from: "20:00",
      to: "06:00",
      utc_offset: "+01:00",
    });
  });

  test("knows how far the person is from UTC", () => {
    expect(utcOffset(0)).toBe("+00:00");
    expect(utcOffset(-330)).toBe("+05:30");
    expect(utcOffset(210)).toBe("-03:30");
  });
});
