/** One command to one host: how far it is, and what it prints. */
import { JobActions } from "../jobs/actions";
import * as api from "../jobs/api";
import { useBoard } from "../jobs/live";
import { Doing, JobMark, waitsForApproval } from "../jobs/marks";
import { OutputView } from "../jobs/output-view";
import type { Job } from "../jobs/wire";
import { route } from "../route";
import { Crumbs } from "../ui/crumbs";
import { Exactly } from "../ui/exactly";
import { Link } from "../ui/link";
import { useLoaded } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Exact } from "../ui/time";

function Moment({ name, at }: { name: string; at: string | null }) {
  if (at === null) return null;
  return (
    <>
      <dt>{name}</dt>
      <dd>
        <Exact at={at} />
      </dd>
    </>
  );
}

function Facts({ job }: { job: Job }) {
  return (
    <dl class="facts">
      <dt>State</dt>
      <dd>
        <JobMark job={job} /> <Doing job={job} />
      </dd>
      {job.error && (
        <>
          <dt>Why</dt>
          <dd class="wrap">{job.error}</dd>
        </>
      )}
      {job.held && (
        <>
          <dt>Waits for</dt>
          <dd>
            {waitsForApproval(job) ? (
              <>
                the <Link to="approvals">approval</Link> of somebody else; then it goes by itself
              </>
            ) : (
              "its batch's turn"
            )}
          </dd>
        </>
      )}
      <dt>Host</dt>
      <dd>
        <Link to="host" query={{ id: job.host_id }}>
          {job.host_name}
        </Link>
      </dd>
      <Exactly name="With" value={job.params} />
      <dt>Ordered by</dt>
      <dd>{job.created_by}</dd>
      <Moment name="Ordered" at={job.created_at} />
      <Moment name="Sent" at={job.sent_at} />
      <Moment name="Began" at={job.started_at} />
      <Moment name="Ended" at={job.finished_at} />
      {job.started_at === null && job.finished_at === null && (
        <Moment name="Not started after" at={job.deadline} />
      )}
      {(job.attempt > 1 || job.retries > 0) && (
        <>
          <dt>Attempt</dt>
          <dd>
            {job.attempt} of {Math.max(job.attempt, job.retries + 1)}
          </dd>
        </>
      )}
      {job.exit_status !== null && (
        <>
          <dt>Exit status</dt>
          <dd>{job.exit_status}</dd>
        </>
      )}
      <Exactly name="Result" value={job.result} />
      {job.retry_of && (
        <>
          <dt>Repeats</dt>
          <dd>
            <Link to="job" query={{ id: job.retry_of }}>
              an earlier job
            </Link>
          </dd>
        </>
      )}
    </dl>
  );
}

export function JobPage() {
  const id = route.value.query.get("id") ?? "";
  const brief = useBoard()?.jobs.get(id);
  // Whatever the board tells of this job is a reason to look at it again.
  const key = `${id} ${JSON.stringify(brief ?? null)}`;
  const { value: job, error } = useLoaded(() => api.job(id), key);
  const current = job?.id === id ? job : null;
  return (
    <div class="page narrow">
      <Crumbs to="jobs" words="Jobs" />
      <header class="page-head">
        <h1>{current?.command ?? "Job"}</h1>
        {current && <JobActions job={{ ...current, ...brief }} />}
      </header>
      {error && <Problem>{error}</Problem>}
      {!current && !error && <Loading what="this job" />}
      {current && (
        <>
          <section>
            <Facts job={{ ...current, ...brief }} />
          </section>
          <OutputView jobId={id} attempt={current.attempt} />
        </>
      )}
    </div>
  );
}
