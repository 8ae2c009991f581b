/** What one host was asked: how far it is, and what it prints. */
import { useEffect, useRef, useState } from "preact/hooks";
import * as jobs from "../jobs/api";
import { isOver } from "../jobs/board";
import { useBoard } from "../jobs/live";
import { Doing, JobMark } from "../jobs/marks";
import { NOTHING, type Output } from "../jobs/output";
import { Printed } from "../jobs/printed";
import { useBusy } from "../ui/busy";
import { Link } from "../ui/link";
import { useLoaded } from "../ui/load";
import { Problem } from "../ui/notice";
import { onFrames } from "./frames";
import { Print, printed } from "./print";
import { again, type Trail } from "./run";

/** How often output is looked for where nothing tells of it. */
const EVERY = 2_000;

function useOutput(jobId: string, over: boolean): [Output, string | null] {
  const [output, setOutput] = useState<Output>(NOTHING);
  const [problem, setProblem] = useState<string | null>(null);
  const print = useRef<Print | null>(null);
  useEffect(() => {
    const mine = new Print(setOutput, printed(jobId));
    print.current = mine;
    const pull = () =>
      mine.pull().then(
        () => setProblem(null),
        (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)),
      );
    void pull();
    const end = onFrames(
      jobId,
      (frame) => mine.frame(frame),
      () => void pull(),
    );
    const timer = setInterval(() => {
      if (!mine.output.complete) void pull();
    }, EVERY);
    return () => {
      clearInterval(timer);
      end();
    };
  }, [jobId]);
  useEffect(() => {
    if (over) void print.current?.pull().catch(() => {});
  }, [over]);
  return [output, problem];
}

export function TrailView({ trail }: { trail: Trail }) {
  const { jobId, host } = trail;
  const brief = useBoard()?.jobs.get(jobId);
  const { value } = useLoaded(() => jobs.job(jobId), `${jobId} ${JSON.stringify(brief ?? null)}`);
  const job = value?.id === jobId ? { ...value, ...brief } : (brief ?? null);
  const over = job !== null && isOver(job);
  const [output, problem] = useOutput(jobId, over);
  const { busy, error, run } = useBusy();
  return (
    <article class="trail" aria-label={host.name} data-trail={host.id}>
      <header class="trail-head">
        <h3>{host.name}</h3>
        {job && <JobMark job={job} />}
        {job && <Doing job={job} />}
        <Link to="job" query={{ id: jobId }} label={`The job on ${host.name}`}>
          Job
        </Link>
        {job && !over && (
          <button
            type="button"
            class="small danger"
            disabled={busy || job.cancel_at !== null}
            aria-label={`Cancel on ${host.name}`}
            onClick={() => run(async () => void (await jobs.cancel(jobId)))}
          >
            Cancel
          </button>
        )}
        {over && (
          <button
            type="button"
            class="small"
            disabled={busy}
            aria-label={`Run again on ${host.name}`}
            onClick={() => run(() => again(trail))}
          >
            Run again
          </button>
        )}
      </header>
      {(error ?? problem) && <Problem>{error ?? problem}</Problem>}
      {job?.error && <p class="reason wrap">{job.error}</p>}
      <Printed output={output} over={over} />
    </article>
  );
}
