/** How far a job is, in a word and a dot of its own shape and colour. */
import type { JobBrief, JobState } from "./wire";

const WORDS: Readonly<Record<JobState, [words: string, tone: string]>> = {
  queued: ["Queued", "idle"],
  leased: ["Sent", "busy"],
  received: ["At its host", "busy"],
  running: ["Running", "busy"],
  succeeded: ["Succeeded", "good"],
  failed: ["Failed", "bad"],
  cancelled: ["Cancelled", "idle"],
  expired: ["Expired", "warn"],
  unknown: ["Unknown", "warn"],
};

/** Whether somebody has to agree before it goes. */
export const waitsForApproval = (job: JobBrief): boolean =>
  job.state === "queued" && job.held && job.approval_id !== null;

export function JobMark({ job }: { job: JobBrief }) {
  const [words, tone] = waitsForApproval(job)
    ? ["Waits for approval", "warn"]
    : (WORDS[job.state] ?? [job.state, "idle"]);
  const stopping = job.cancel_at !== null && job.finished_at === null;
  return (
    <span class={`presence ${tone}`} data-job-state={job.state}>
      <span class="dot" aria-hidden="true" />
      {stopping ? "Being cancelled" : words}
    </span>
  );
}

/** What a job does at the moment. */
export function Doing({ job }: { job: JobBrief }) {
  if (job.finished_at !== null || !job.progress) return null;
  const { percent, phase, message } = job.progress;
  const words = [phase, message].filter(Boolean).join(": ");
  return (
    <span class="quiet">
      {percent !== undefined && (
        <progress max={100} value={percent} aria-label="Progress">
          {percent} %
        </progress>
      )}{" "}
      {words}
    </span>
  );
}
