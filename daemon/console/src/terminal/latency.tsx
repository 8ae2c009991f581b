/** How long the way to the host takes: the total, and where it is spent on a closer look. */
import type { Latency } from "./pulse";
import { latencyWords, milliseconds } from "./words";

export function LatencyMark({ latency }: { latency: Latency | null }) {
  if (!latency) return null;
  const { total, browser, daemon, agent, host } = latency;
  const legs: readonly [string, number | null][] = [
    ["Browser to daemon", browser],
    ["Daemon", daemon],
    ["Agent", agent],
    ["Echo of the host", host],
  ];
  return (
    <button type="button" class="latency" aria-label={latencyWords(latency)}>
      {milliseconds(total)}
      <span class="latency-legs" aria-hidden="true">
        {legs.map(([name, time]) => (
          <span key={name}>
            <span>{name}</span>
            <span>{time === null ? "–" : milliseconds(time)}</span>
          </span>
        ))}
      </span>
    </button>
  );
}
