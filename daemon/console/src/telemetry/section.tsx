/** What a host measured in the last day, on the host's page. */
import { useEffect, useState } from "preact/hooks";
import { useLoaded } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Exact } from "../ui/time";
import type { Host } from "../wire";
import * as api from "./api";
import { amount, ceiling, HEIGHT, hours, line, runs, type Span, summary, WIDTH } from "./drawing";
import type { Series, Telemetry } from "./wire";

/** How often it is asked for again, in milliseconds. */
const AGAIN = 60_000;

const CHARTS = [
  { title: "Processor", metrics: ["cpu"] },
  { title: "Memory", metrics: ["memory"] },
  { title: "Fullest disk", metrics: ["disk"] },
  { title: "Network", metrics: ["network_in", "network_out"] },
] as const;

const NAMES: Readonly<Record<string, string>> = { network_in: "Received", network_out: "Sent" };

function Table({ series }: { series: Series }) {
  return (
    <table>
      <caption>{NAMES[series.metric] ?? "By the hour"}</caption>
      <thead>
        <tr>
          <th scope="col">Hour from</th>
          <th scope="col">Mean</th>
          <th scope="col">Lowest</th>
          <th scope="col">Highest</th>
        </tr>
      </thead>
      <tbody>
        {hours(series.points).map((hour) => (
          <tr key={hour.at}>
            <th scope="row">
              <Exact at={hour.at} />
            </th>
            <td>{amount(hour.mean, series.unit)}</td>
            <td>{amount(hour.low, series.unit)}</td>
            <td>{amount(hour.high, series.unit)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Chart({ title, series, span }: { title: string; series: Series[]; span: Span }) {
  const top = ceiling(series);
  const said = series.map((one) => {
    const name = NAMES[one.metric];
    return name ? `${name}: ${summary(one)}` : summary(one);
  });
  return (
    <figure class="chart">
      <h3>{title}</h3>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${title}: ${said.join(". ")}`}
      >
        {[0, 0.5, 1].map((part) => (
          <line
            key={part}
            class="level"
            x1={0}
            x2={WIDTH}
            y1={3 + part * (HEIGHT - 6)}
            y2={3 + part * (HEIGHT - 6)}
          />
        ))}
        {series.map((one, index) =>
          runs(one.points, span).map((run) => (
            <polyline
              key={`${one.metric} ${run[0]?.at}`}
              class={index > 0 ? "second" : ""}
              points={
                // A line needs two ends.
                line(run.length > 1 ? run : [...run, ...run], span, top)
              }
            />
          )),
        )}
      </svg>
      <figcaption>
        {series.map((one, index) => (
          <p key={one.metric} class="quiet">
            {series.length > 1 && (
              <span class={index > 0 ? "key second" : "key"} aria-hidden="true" />
            )}
            {said[index]}
          </p>
        ))}
        <p class="quiet">The top is {amount(top, series[0]?.unit ?? null)}.</p>
        <details>
          <summary>By the hour</summary>
          <div class="chart-tables">
            {series.map((one) => (
              <Table key={one.metric} series={one} />
            ))}
          </div>
        </details>
      </figcaption>
    </figure>
  );
}

function Charts({ telemetry }: { telemetry: Telemetry }) {
  const { from, to, step_seconds } = telemetry;
  const span = { from: Date.parse(from), to: Date.parse(to), step: step_seconds * 1000 };
  const lost = telemetry.items.find(({ metric }) => metric === "dropped")?.points ?? [];
  return (
    <>
      <div class="charts">
        {CHARTS.map(({ title, metrics }) => {
          const series = telemetry.items.filter(
            ({ metric, points }) =>
              (metrics as readonly string[]).includes(metric) && points.length > 0,
          );
          if (series.length === 0) return null;
          return <Chart key={title} title={title} series={series} span={span} />;
        })}
      </div>
      {lost.length > 0 && (
        <p class="quiet">
          The agent was away from the daemon for so long that it threw its oldest measurements away.
        </p>
      )}
    </>
  );
}

export function TelemetrySection({ host }: { host: Host }) {
  const { value, error, reload } = useLoaded(() => api.telemetry(host.id), host.id);
  const [shown, setShown] = useState(!document.hidden);
  useEffect(() => {
    const look = () => setShown(!document.hidden);
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  useEffect(() => {
    if (!shown) return;
    const timer = setInterval(reload, AGAIN);
    return () => clearInterval(timer);
  }, [shown, reload]);
  const nothing = value?.items.every(({ points }) => points.length === 0);
  return (
    <section aria-labelledby="telemetry">
      <h2 id="telemetry">Last 24 hours</h2>
      {error && <Problem>{error}</Problem>}
      {!value && !error && <Loading what="what was measured" />}
      {nothing && (
        <p class="quiet">
          Nothing was measured. An agent of Gangplank begins within a minute, unless{" "}
          <code>telemetry.every</code> is <code>"0"</code> in its file.
        </p>
      )}
      {value && !nothing && <Charts telemetry={value} />}
    </section>
  );
}
