import { describe, expect, test } from "vitest";
import {
  amount,
  ceiling,
  HEIGHT,
  hours,
  line,
  runs,
  summary,
  WIDTH,
} from "../src/telemetry/drawing";
import type { Point, Series } from "../src/telemetry/wire";

const START = Date.parse("2026-01-01T00:00:00Z");
const SPAN = { from: START, to: START + 86_400_000, step: 300_000 };

const at = (minute: number, mean: number): Point => ({
  at: new Date(START + minute * 60_000).toISOString(),
  mean,
  low: mean - 1,
  high: mean + 1,
});

const series = (unit: Series["unit"], points: Point[]): Series => ({ metric: "x", unit, points });

describe("a chart", () => {
  test("stays within its edges", () => {
    const drawn = line([at(0, 0), at(720, 50), at(1440, 100), at(2000, 900)], SPAN, 100);
    expect(drawn).toBe(
      `3.0,${HEIGHT - 3}.0 ${WIDTH / 2}.0,${HEIGHT / 2}.0 ${WIDTH - 3}.0,3.0 ${WIDTH - 3}.0,3.0`,
    );
  });

  test("has a gap where nothing was measured", () => {
    const found = runs([at(0, 1), at(5, 1), at(15, 1), at(60, 1)], SPAN);
    expect(found.map((run) => run.length)).toEqual([3, 1]);
    expect(runs([], SPAN)).toEqual([]);
  });

  test("is as high as it has to be", () => {
    expect(ceiling([series("percent", [at(0, 3)])])).toBe(100);
    expect(ceiling([series("bytes_per_second", [at(0, 0), at(1, 1399)])])).toBe(2000);
    expect(ceiling([series("bytes_per_second", [])])).toBe(1);
  });
});

test("amounts are as people say them", () => {
  expect(amount(41.6, "percent")).toBe("42 %");
  expect(amount(999, "bytes_per_second")).toBe("999 B/s");
  expect(amount(1_250_000, "bytes_per_second")).toBe("1.3 MB/s");
  expect(amount(12_500_000, "bytes_per_second")).toBe("13 MB/s");
});

test("a day is told in a sentence and in hours", () => {
  const day = series("percent", [at(0, 10), at(5, 20), at(70, 30)]);
  expect(summary(day)).toBe("30 % now, between 9 % and 31 % in the last day");
  expect(summary(series("percent", []))).toBe("not measured");
  expect(hours(day.points).map(({ mean, low, high }) => [mean, low, high])).toEqual([
    [30, 29, 31],
    [15, 9, 21],
  ]);
});
