import { describe, expect, test } from "vitest";
import { localMoment, readSchedule } from "../src/compliance/schedule-form";
import { places } from "../src/compliance/trend";
import type { Schedule } from "../src/compliance/wire";
import { percent, profileName, shortName, toneOf } from "../src/compliance/words";

describe("a trend", () => {
  test("is drawn by time and score, within its edges", () => {
    const points = [
      { at: "2026-01-01T00:00:00Z", score: 0 },
      { at: "2026-01-02T00:00:00Z", score: 100 },
      { at: "2026-01-05T00:00:00Z", score: 50 },
    ];
    const [first, second, third] = places(points);
    expect(first).toEqual({ x: 8, y: 112 });
    expect(second).toEqual({ x: 8 + 584 / 4, y: 8 });
    expect(third).toEqual({ x: 592, y: 60 });
  });

  test("of one scan, or of several at one moment, stands in the middle", () => {
    const at = "2026-01-01T00:00:00Z";
    expect(places([{ at, score: 50 }])).toEqual([{ x: 300, y: 60 }]);
    expect(places([1, 2].map((score) => ({ at, score }))).map(({ x }) => x)).toEqual([300, 300]);
  });
});

test("only all is a hundred percent", () => {
  expect(percent(99.99)).toBe("99 %");
  expect(percent(100)).toBe("100 %");
  expect(percent(null)).toBe("none");
  expect([null, 10, 75, 95].map(toneOf)).toEqual(["idle", "bad", "warn", "good"]);
});

test("names lose what all of their content share", () => {
  expect(shortName("xccdf_org.ssgproject.content_rule_no_empty_passwords")).toBe(
    "no_empty_passwords",
  );
  expect(shortName("xccdf_io.github.gangplank_profile_strict")).toBe("strict");
  expect(shortName("SSH-7408")).toBe("SSH-7408");
  expect(profileName("")).toBe("its own choice");
});

describe("a schedule's form", () => {
  const form = (fields: Record<string, string>): FormData => {
    const data = new FormData();
    for (const [name, value] of Object.entries(fields)) data.set(name, value);
    return data;
  };
  const fields = {
    name: " Nightly ",
    labels: "db, web db",
    scanner: "lynis",
    profile: " ",
    every: "1d",
    jitter: "3h",
    max_concurrent: "20",
    starts_at: "",
  };

  test("is read as the daemon takes it", () => {
    expect(readSchedule(form(fields))).toEqual({
      name: "Nightly",
      labels: ["db", "web"],
      scanner: "lynis",
      profile: null,
      every: "1d",
      jitter: "3h",
      max_concurrent: 20,
    });
  });

  test("moves the first turn only when somebody moved it", () => {
    const before = { starts_at: "2026-03-01T10:20:30Z" } as Schedule;
    const untouched = { ...fields, starts_at: localMoment(before.starts_at) };
    expect(readSchedule(form(untouched), before)).not.toHaveProperty("starts_at");
    expect(readSchedule(form(untouched))).toHaveProperty("starts_at", "2026-03-01T10:20:00.000Z");
    const moved = { ...fields, starts_at: localMoment("2026-03-01T11:00:00Z") };
    expect(readSchedule(form(moved), before)).toHaveProperty(
      "starts_at",
      "2026-03-01T11:00:00.000Z",
    );
  });
});
