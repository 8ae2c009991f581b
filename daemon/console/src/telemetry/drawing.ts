/** From measurements to what is drawn and said. */
import type { Point, Series } from "./wire";

export const WIDTH = 300;
export const HEIGHT = 80;
const EDGE = 3;

/** Times between which measurements are drawn, in milliseconds, and their step. */
export interface Span {
  from: number;
  to: number;
  step: number;
}

/** Points that follow each other without a gap, of which a line is drawn. */
export function runs(points: readonly Point[], span: Span): Point[][] {
  const found: Point[][] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const point of points) {
    const at = Date.parse(point.at);
    // One step may be missing: a host is a little late now and then.
    if (at - last > 2 * span.step) found.push([]);
    found.at(-1)?.push(point);
    last = at;
  }
  return found;
}

/** The largest value that fits into a chart: 100 of percentages, else a round number. */
export function ceiling(series: readonly Series[]): number {
  if (series.every(({ unit }) => unit === "percent")) return 100;
  const highest = Math.max(0, ...series.flatMap(({ points }) => points.map(({ high }) => high)));
  if (highest <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(highest));
  const step = [1, 2, 5, 10].find((times) => times * power >= highest) ?? 10;
  return step * power;
}

/** The corners of a run's line, as SVG takes them. */
export function line(run: readonly Point[], span: Span, top: number): string {
  const whole = Math.max(1, span.to - span.from);
  const corner = (point: Point) => {
    const along = (Date.parse(point.at) - span.from) / whole;
    const x = EDGE + Math.min(1, Math.max(0, along)) * (WIDTH - 2 * EDGE);
    const y = EDGE + (1 - Math.min(1, point.mean / top)) * (HEIGHT - 2 * EDGE);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  };
  return run.map(corner).join(" ");
}

const UNITS = ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"];

/** Such as "42 %", or "1.2 MB/s". */
export function amount(value: number, unit: Series["unit"]): string {
  if (unit === "percent") return `${Math.round(value)} %`;
  if (unit !== "bytes_per_second") return String(value);
  let [rest, place] = [value, 0];
  while (rest >= 1000 && place < UNITS.length - 1) {
    rest /= 1000;
    place += 1;
  }
  return `${place > 0 && rest < 10 ? rest.toFixed(1) : Math.round(rest)} ${UNITS[place]}`;
}

/** The last day in a sentence, for who can't see the chart, or hasn't the time. */
export function summary({ points, unit }: Series): string {
  const last = points.at(-1);
  if (!last) return "not measured";
  const lowest = Math.min(...points.map(({ low }) => low));
  const highest = Math.max(...points.map(({ high }) => high));
  const between = `between ${amount(lowest, unit)} and ${amount(highest, unit)}`;
  return `${amount(last.mean, unit)} now, ${between} in the last day`;
}

/** One row for each hour in which something was measured, newest first. */
export function hours(points: readonly Point[]): Point[] {
  const found = new Map<number, Point & { count: number }>();
  for (const point of points) {
    const hour = Math.floor(Date.parse(point.at) / 3_600_000);
    const before = found.get(hour);
    found.set(hour, {
      at: new Date(hour * 3_600_000).toISOString(),
      count: (before?.count ?? 0) + 1,
      mean: ((before?.mean ?? 0) * (before?.count ?? 0) + point.mean) / ((before?.count ?? 0) + 1),
      low: Math.min(before?.low ?? point.low, point.low),
      high: Math.max(before?.high ?? point.high, point.high),
    });
  }
  return [...found.values()].reverse();
}
