/** Where one host stands, on the host's page. */
import { useState } from "preact/hooks";
import { type Board, listOf } from "../jobs/board";
import { useBoard } from "../jobs/live";
import { RunDialog } from "../jobs/run";
import { may } from "../session";
import { Link } from "../ui/link";
import { useLoaded } from "../ui/load";
import { Loading, Notice, Problem } from "../ui/notice";
import { Ago } from "../ui/time";
import type { Host } from "../wire";
import * as api from "./api";
import { Score } from "./marks";
import { Trend } from "./trend";
import type { HostCompliance, Scan, Series } from "./wire";
import { profileName, SCANNERS } from "./words";

/** The newest scan of a host that is over: another one means another answer. */
function lastScan(board: Board, hostId: string): string | undefined {
  const over = [...listOf(board, "done"), ...listOf(board, "failed")];
  const scans = over.filter((job) => job.host_id === hostId && job.command === "compliance_scan");
  return scans
    .map((job) => job.finished_at ?? "")
    .sort()
    .at(-1);
}

function sumOf({ counts }: Scan): string {
  const broken = counts.error + counts.unknown;
  const parts = [
    `${counts.pass + counts.fixed} passed`,
    `${counts.fail} failed`,
    broken > 0 && `${broken} broken or not known`,
  ];
  return parts.filter(Boolean).join(", ");
}

function Standing({ found }: { found: HostCompliance }) {
  const { latest, partial } = found;
  return (
    <>
      {partial && (
        <Notice>
          A later scan was ended before all rules were looked at, and does not count:{" "}
          <Link to="scan" query={{ id: partial.id }}>
            what it found
          </Link>
        </Notice>
      )}
      {latest && (
        <dl class="facts">
          <dt>Score</dt>
          <dd>
            <Score score={latest.score} />
          </dd>
          <dt>Rules</dt>
          <dd>
            {sumOf(latest)}.{" "}
            <Link to="scan" query={{ id: latest.id }}>
              See them
            </Link>
          </dd>
          <dt>By</dt>
          <dd class="wrap">
            {SCANNERS[latest.scanner]}, {profileName(latest.profile)}
          </dd>
          <dt>Scanned</dt>
          <dd>
            <Ago at={latest.at} />
          </dd>
        </dl>
      )}
      <Trend points={found.trend} />
    </>
  );
}

function Choice(props: {
  series: readonly Series[];
  chosen: string;
  choose: (key: string) => void;
}) {
  const { series, chosen, choose } = props;
  if (series.length < 2) return null;
  return (
    <label class="field">
      <span>Scans for</span>
      <select value={chosen} onChange={(event) => choose(event.currentTarget.value)}>
        <option value="">what was scanned last</option>
        {series.map((one) => (
          <option key={keyOf(one)} value={keyOf(one)}>
            {SCANNERS[one.scanner]}: {profileName(one.profile)}
          </option>
        ))}
      </select>
    </label>
  );
}

const keyOf = ({ scanner, profile }: Series): string => `${scanner} ${profile}`;

export function HostComplianceSection({ host }: { host: Host }) {
  const board = useBoard(may("jobs:read"));
  const [chosen, setChosen] = useState("");
  const [asking, setAsking] = useState(false);
  const [, scanner = "", profile = ""] = /^(\S+) (.*)$/.exec(chosen) ?? [];
  const newest = (board && lastScan(board, host.id)) ?? "";
  const load = () => api.host(host.id, scanner, profile);
  const { value, error } = useLoaded(load, `${host.id} ${newest} ${chosen}`);
  const nothing = value && !value.latest && !value.partial;
  return (
    <section aria-labelledby="compliance">
      <div class="page-head">
        <h2 id="compliance">Compliance</h2>
        {may("jobs:run") && (
          <button type="button" class="small" onClick={() => setAsking(true)}>
            Scan now
          </button>
        )}
      </div>
      {error && <Problem>{error}</Problem>}
      {!value && !error && <Loading what="what scans found" />}
      {nothing && (
        <p class="quiet">
          Not scanned yet. Choose Scan now; the host's owner has to allow it first, with{" "}
          <code>policy.scan = true</code> in its agent's file and a scanner installed.
        </p>
      )}
      {value && (
        <>
          <Choice series={value.series} chosen={chosen} choose={setChosen} />
          <Standing found={value} />
        </>
      )}
      {asking && (
        <RunDialog host={host} command="compliance_scan" onClose={() => setAsking(false)} />
      )}
    </section>
  );
}
