import { describe, expect, test } from "vitest";
import { type Entry, entryOf, FEEDS } from "../src/feed/entry";
import {
  add,
  below,
  EMPTY,
  EVERYTHING,
  HELD,
  HELD_TEXT,
  matches,
  pause,
  resume,
} from "../src/feed/log";
import { offsetOf, windowOf } from "../src/feed/window";

const entry = (seq: number, more: Partial<Entry> = {}): Entry => ({
  seq,
  at: "2026-01-01T00:00:00Z",
  type: "new",
  severity: "high",
  text: `event ${seq}`,
  host: { id: "h1", name: "harbour" },
  case: "case-7",
  json: "{}",
  ...more,
});

const run = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => entry(from + index));
const seqs = (rows: readonly Entry[]) => rows.map(({ seq }) => seq);

describe("a feed", () => {
  test("has the newest on top, and older ones below", () => {
    const log = add(below(EMPTY, [entry(3), entry(2)], true), run(4, 5));
    expect(seqs(log.rows)).toEqual([5, 4, 3, 2]);
    expect(seqs(below(log, [entry(2), entry(1)], false).rows)).toEqual([5, 4, 3, 2, 1]);
  });

  test("counts what waits while it is paused, and shows it in its order", () => {
    let log = pause(add(EMPTY, run(1, 2)));
    log = add(add(log, run(3, 4)), run(5, 5));
    expect([seqs(log.rows), log.waited]).toEqual([[2, 1], 3]);
    log = resume(log);
    expect([seqs(log.rows), log.waited, log.paused]).toEqual([[5, 4, 3, 2, 1], 0, false]);
  });

  test("is bounded, also while it is paused, and knows that there is more", () => {
    let log = add({ ...EMPTY, older: false }, run(1, HELD + 10));
    expect([log.rows.length, log.rows.at(-1)?.seq, log.older]).toEqual([HELD, 11, true]);
    log = add(pause(log), run(HELD + 11, 3 * HELD));
    expect([log.waiting.length, log.waited]).toEqual([HELD, 2 * HELD - 10]);
    log = resume(log);
    expect([log.rows.length, log.rows[0]?.seq]).toEqual([HELD, 3 * HELD]);
  });

  test("is bounded by how much it says, too", () => {
    const long = "x".repeat(HELD_TEXT / 4);
    const log = add(
      EMPTY,
      [1, 2, 3, 4, 5].map((seq) => entry(seq, { json: long })),
    );
    expect([seqs(log.rows), log.older]).toEqual([[5, 4, 3], true]);
    expect(below(log, [entry(2, { json: long })], true)).toMatchObject({ older: false });
  });

  test("never shows what is on both sides of a hole as if nothing lay between", () => {
    const half = "x".repeat(HELD_TEXT / 2 - 100);
    const big = (seq: number) => entry(seq, { json: half });
    let log = pause(add(EMPTY, run(1, 3)));
    log = resume(add(log, [big(4), big(5), big(6)]));
    expect([seqs(log.rows), log.older]).toEqual([[6, 5], true]);
  });

  test("is filtered by words, severity, kind, host and case", () => {
    const all = (more: Partial<typeof EVERYTHING>) => matches(entry(7), { ...EVERYTHING, ...more });
    expect(all({})).toBe(true);
    expect(all({ words: "HARBOUR 7" })).toBe(true);
    expect(all({ words: "harbour 8" })).toBe(false);
    expect([all({ severity: "high" }), all({ severity: "low" })]).toEqual([true, false]);
    expect([all({ type: "new" }), all({ type: "closed" })]).toEqual([true, false]);
    expect([all({ host: "h1" }), all({ host: "h2" })]).toEqual([true, false]);
    expect([all({ case: "case" }), all({ case: "other" })]).toEqual([true, false]);
  });
});

describe("an event as a row", () => {
  test("is text, without what commands a terminal or turns its direction", () => {
    const data = {
      id: "a1",
      title: "\u001b[31m<b>red\u202e",
      severity: "high",
      status: "new",
      source: "s",
      iocs: [],
      mitre_techniques: [],
      timestamp: "",
    };
    const row = entryOf(1, "", FEEDS.alerts.show(data), data);
    expect(row.text).toBe("<b>red\ufffd · s");
  });

  test("shows what a tool printed, with its host and case", () => {
    const data = {
      case_id: "case-7",
      job_id: "j",
      host_id: "h1",
      host_name: "harbour",
      tool: "ps",
      attempt: 1,
      frame: 0,
      offset: 0,
      data: btoa("pid 1\n"),
    };
    const shown = FEEDS.security.show({ type: "tool_output", data });
    expect(shown).toMatchObject({
      type: "tool output",
      text: "ps · pid 1",
      host: { id: "h1", name: "harbour" },
      case: "case-7",
    });
  });

  test("is none where the channel says something else", () => {
    expect(() => FEEDS.vpn.show({ type: "session", data: { state: "asleep" } })).toThrow();
    expect(() => FEEDS.jobs.show("text")).toThrow();
  });
});

describe("of a long list", () => {
  const usual = () => 50;

  test("only what is seen is drawn, with room for the rest", () => {
    const shown = windowOf(10_000, usual, 25_000, 25_600);
    expect(shown.to - shown.from).toBeLessThan(40);
    expect([shown.from, shown.above]).toEqual([492, 492 * 50]);
    expect(shown.above + 50 * (shown.to - shown.from) + shown.below).toBe(500_000);
  });

  test("the top and the end are drawn where they are", () => {
    expect(windowOf(10_000, usual, -200, 400)).toMatchObject({ from: 0, above: 0 });
    expect(windowOf(10_000, usual, 499_500, 500_100)).toMatchObject({ to: 10_000, below: 0 });
    // Also where it has become shorter than it was scrolled.
    expect(windowOf(3, usual, 9_000, 9_600)).toEqual({ from: 0, to: 3, above: 0, below: 0 });
    expect(windowOf(0, usual, 0, 600)).toEqual({ from: 0, to: 0, above: 0, below: 0 });
  });

  test("rows are as high as they are", () => {
    const height = (index: number) => (index === 3 ? 1_000 : 50);
    expect(offsetOf(5, height)).toBe(1_200);
    const shown = windowOf(100, height, 160, 760);
    expect([shown.from, shown.above]).toEqual([0, 0]);
    expect(shown.to).toBe(3 + 1 + 8);
  });
});
