import { expect, test } from "vitest";
import { readKeeping, readTopics, showTopics } from "../src/people/keeping";

test("topics are written as they are read", () => {
  const text = "alerts=30d/5000\nvpn=/10\nreceipts=90d";
  const topics = readTopics(` ${text.replace("=", " = ")}\n\n`);
  expect(topics).toEqual({
    alerts: { age: "30d", count: 5000 },
    vpn: { count: 10 },
    receipts: { age: "90d" },
  });
  expect(showTopics(topics)).toBe(text);
  for (const wrong of ["alerts", "alerts=", "alerts=30d/x", "=30d"]) {
    expect(() => readTopics(wrong)).toThrow("TOPIC=AGE/NUMBER");
  }
});

test("empty fields say nothing", () => {
  const data = new FormData();
  data.set("events-age", " 2d ");
  data.set("jobs", "");
  data.set("scans", "400d");
  expect(readKeeping(data)).toEqual({ events: { age: "2d" }, topics: {}, scans: "400d" });
});
