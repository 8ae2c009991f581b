/** How a host's score moved, drawn and in words. */
import { Link } from "../ui/link";
import { Exact } from "../ui/time";
import type { TrendPoint } from "./wire";
import { percent } from "./words";

const WIDTH = 600;
const HEIGHT = 120;
const EDGE = 8;

type Judged = TrendPoint & { score: number };

export interface Place {
  x: number;
  y: number;
}

/** Where the points of a trend are drawn: by their time, and by their score from 0 to 100. */
export function places(points: readonly { at: string; score: number }[]): Place[] {
  const times = points.map((point) => new Date(point.at).getTime());
  const first = Math.min(...times);
  const span = Math.max(...times) - first;
  return points.map((point, index) => {
    const along = span > 0 ? ((times[index] ?? first) - first) / span : 0.5;
    return {
      x: EDGE + along * (WIDTH - 2 * EDGE),
      y: EDGE + (1 - point.score / 100) * (HEIGHT - 2 * EDGE),
    };
  });
}

function sum(points: readonly Judged[]): string {
  const [first, last] = [points.at(0), points.at(-1)];
  if (!first || !last) return "";
  if (points.length === 1) return `One scan, with a score of ${percent(first.score)}`;
  return `Score over ${points.length} scans: from ${percent(first.score)} to ${percent(last.score)}`;
}

export function Trend({ points }: { points: readonly TrendPoint[] }) {
  const judged = points.filter((point): point is Judged => point.score !== null);
  if (judged.length === 0) return null;
  const drawn = places(judged);
  const line = drawn.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  const levels = [0, 50, 100].map((score) => EDGE + (1 - score / 100) * (HEIGHT - 2 * EDGE));
  return (
    <figure class="trend">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={sum(judged)}>
        {levels.map((y) => (
          <line key={y} class="level" x1={0} x2={WIDTH} y1={y} y2={y} />
        ))}
        {drawn.length > 1 && <polyline points={line} />}
        {drawn.map(({ x, y }, index) => (
          <circle
            key={judged[index]?.scan_id}
            cx={x}
            cy={y}
            r={index + 1 === drawn.length ? 5 : 3}
          />
        ))}
      </svg>
      <figcaption>
        <details>
          <summary>{sum(judged)}</summary>
          <ol class="trend-list" reversed>
            {[...judged].reverse().map((point) => (
              <li key={point.scan_id}>
                <Link to="scan" query={{ id: point.scan_id }}>
                  <Exact at={point.at} />
                </Link>
                : {percent(point.score)}
              </li>
            ))}
          </ol>
        </details>
      </figcaption>
    </figure>
  );
}
