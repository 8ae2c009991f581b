/** Commands to hosts, live. */
import { JobActions } from "../jobs/actions";
import { Batches } from "../jobs/batches";
import { type Board, countOf, LISTED, listOf, PARTS, type Part } from "../jobs/board";
import { boardStream, useBoard } from "../jobs/live";
import { Doing, JobMark } from "../jobs/marks";
import type { JobBrief } from "../jobs/wire";
import { route } from "../route";
import { may } from "../session";
import { Link } from "../ui/link";
import { Loading, Notice } from "../ui/notice";
import { Ago } from "../ui/time";

const TITLES: Readonly<Record<Part, string>> = {
  running: "Running",
  queued: "Queued",
  failed: "Failed",
  done: "Done",
};

/** What to do where there is nothing. */
const EMPTY: Readonly<Record<Part, string>> = {
  running: "Nothing runs at the moment. Open a host and choose Run to give it a command.",
  queued: "Nothing waits. Commands to hosts that are away wait here until they return.",
  failed: "Nothing has failed lately.",
  done: "Nothing has been done yet. Open a host and choose Run to give it its first command.",
};

function Row({ job }: { job: JobBrief }) {
  return (
    <tr>
      <th scope="row">
        <Link to="job" query={{ id: job.id }}>
          {job.command}
        </Link>
        {job.subject && <span class="quiet"> {job.subject}</span>}
      </th>
      <td data-label="Host">
        <Link to="host" query={{ id: job.host_id }}>
          {job.host_name}
        </Link>
      </td>
      <td data-label="State">
        <JobMark job={job} /> <Doing job={job} />
        {job.error && <p class="wrap reason">{job.error}</p>}
      </td>
      <td data-label="By">{job.created_by}</td>
      <td data-label="When">
        <Ago at={job.finished_at ?? job.started_at ?? job.created_at} />
      </td>
      <td class="actions">
        <JobActions job={job} small />
      </td>
    </tr>
  );
}

function List({ board, part }: { board: Board; part: Part }) {
  const jobs = listOf(board, part);
  if (jobs.length === 0) {
    return (
      <div class="empty">
        <p>{EMPTY[part]}</p>
        {may("hosts:read") && (
          <Link to="hosts" class="button">
            To the hosts
          </Link>
        )}
      </div>
    );
  }
  const count = countOf(board, part);
  return (
    <>
      <table class="stack">
        <thead>
          <tr>
            <th scope="col">Command</th>
            <th scope="col">Host</th>
            <th scope="col">State</th>
            <th scope="col">By</th>
            <th scope="col">When</th>
            <th scope="col">
              <span class="unseen">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => (
            <Row key={job.id} job={job} />
          ))}
        </tbody>
      </table>
      {count > LISTED && (
        <p class="quiet">
          The newest {LISTED} of {count} are shown.
        </p>
      )}
    </>
  );
}

/** The part that the address names; else what runs, or the first that has something. */
function shown(board: Board): Part {
  const named = PARTS.find((part) => part === route.value.query.get("show"));
  return named ?? PARTS.find((part) => countOf(board, part) > 0) ?? "running";
}

function Parts({ board }: { board: Board }) {
  const part = shown(board);
  return (
    <>
      <nav class="parts" aria-label="Jobs by state">
        {PARTS.map((one) => (
          <Link key={one} to="jobs" query={{ show: one }} current={one === part}>
            {TITLES[one]} <span class="count">{countOf(board, one)}</span>
          </Link>
        ))}
      </nav>
      <List board={board} part={part} />
    </>
  );
}

export function JobsPage() {
  const board = useBoard();
  const state = boardStream.value;
  const batches = [...(board?.batches.values() ?? [])].sort((a, b) => b.id.localeCompare(a.id));
  return (
    <div class="page">
      <header class="page-head">
        <h1>Jobs</h1>
      </header>
      {state.kind === "closed" && state.why && <Notice>{state.why}</Notice>}
      {state.kind === "waiting" && (
        <Notice>The daemon can't be reached. What is shown may be old; it is tried again.</Notice>
      )}
      {!board && state.kind !== "closed" && <Loading what="jobs" />}
      {board && (
        <>
          <Batches batches={batches} />
          <Parts board={board} />
        </>
      )}
    </div>
  );
}
