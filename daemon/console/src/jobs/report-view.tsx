/** What a host has reported of itself in full. */
import { may } from "../session";
import { Link } from "../ui/link";
import { useLoaded } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Ago } from "../ui/time";
import type { Host } from "../wire";
import * as api from "./api";
import { type Board, listOf } from "./board";
import { useBoard } from "./live";
import type { PendingPackage, Report } from "./wire";

/** Such as "12.3 GB". */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let amount = count;
  let unit = 0;
  while (amount >= 1_000 && unit < units.length - 1) {
    amount /= 1_000;
    unit += 1;
  }
  return `${unit === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${units[unit]}`;
}

function uptime(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor((seconds % 86_400) / 3_600);
  if (days > 0) return `${days} d ${hours} h`;
  return hours > 0 ? `${hours} h` : `${Math.floor(seconds / 60)} min`;
}

function Updates({ pending }: { pending: readonly PendingPackage[] }) {
  const security = pending.filter((one) => one.security);
  if (pending.length === 0) return <>none wait</>;
  return (
    <details>
      <summary>
        {pending.length} wait
        {security.length > 0 && <span class="badge warn">{security.length} for security</span>}
      </summary>
      <ul class="updates">
        {[...security, ...pending.filter((one) => !one.security)].slice(0, 500).map((one) => (
          <li key={one.name} class="wrap">
            {one.name} <span class="quiet">{one.version} →</span> {one.available}
            {one.security && <span class="badge warn">security</span>}
          </li>
        ))}
      </ul>
    </details>
  );
}

function Facts({ report }: { report: Report }) {
  const { host, packages } = report;
  const system = [host.os, host.os_version, host.arch].filter(Boolean).join(" ");
  return (
    <dl class="facts">
      <dt>System</dt>
      <dd>{system || "not said"}</dd>
      <dt>Kernel</dt>
      <dd>{host.kernel || "not said"}</dd>
      <dt>Restart</dt>
      <dd>
        {report.reboot_needed === null && "not known"}
        {report.reboot_needed === true && <span class="badge warn">needed</span>}
        {report.reboot_needed === false && "not needed"}
        {report.uptime_seconds !== null && (
          <span class="quiet"> up for {uptime(report.uptime_seconds)}</span>
        )}
      </dd>
      <dt>Packages</dt>
      <dd>
        {packages
          ? `${packages.installed_count} installed by ${packages.manager}`
          : "no package manager that is known"}
      </dd>
      {packages && (
        <>
          <dt>Updates</dt>
          <dd>{packages.pending ? <Updates pending={packages.pending} /> : "not known"}</dd>
        </>
      )}
      {report.disks.length > 0 && (
        <>
          <dt>Disks</dt>
          <dd>
            {report.disks.map((disk) => (
              <div key={disk.mount} class="wrap">
                {disk.mount}{" "}
                <span class="quiet">
                  {bytes(disk.free)} of {bytes(disk.size)} free
                </span>
              </div>
            ))}
          </dd>
        </>
      )}
      {report.problems.length > 0 && (
        <>
          <dt>Not found out</dt>
          <dd>
            {report.problems.map((problem) => (
              <div key={problem} class="wrap">
                {problem}
              </div>
            ))}
          </dd>
        </>
      )}
    </dl>
  );
}

/** The job whose report is the host's latest, if it was lately: another one means another report. */
const lastReport = (board: Board, hostId: string): string | undefined =>
  listOf(board, "done").find(
    (job) => job.host_id === hostId && job.command === "report_now" && job.state === "succeeded",
  )?.id;

export function ReportView({ host }: { host: Host }) {
  const board = useBoard(may("jobs:read"));
  const newest = board && lastReport(board, host.id);
  const load = async () => ({ report: await api.report(host.id) });
  // A PatchMon agent reports unasked.
  const unasked = host.agent === "patchmon" ? host.last_seen_at : null;
  const { value, error } = useLoaded(load, `${host.id} ${newest ?? ""} ${unasked ?? ""}`);
  return (
    <section>
      <h2>Report</h2>
      {error && <Problem>{error}</Problem>}
      {!value && !error && <Loading what="the report" />}
      {value && !value.report && (
        <p class="quiet">None yet. Choose Run, and then Report, to ask the host for one.</p>
      )}
      {value?.report && (
        <>
          <p class="quiet">
            Made <Ago at={value.report.at} />.{" "}
            {value.report.job_id !== null && (
              <Link to="job" query={{ id: value.report.job_id }}>
                Its job
              </Link>
            )}
          </p>
          <Facts report={value.report} />
        </>
      )}
    </section>
  );
}
