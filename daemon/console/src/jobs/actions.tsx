/** Calling a job off, and doing it again. */
import { go } from "../route";
import { may } from "../session";
import { useBusy } from "../ui/busy";
import { complain, say } from "../ui/toast";
import * as api from "./api";
import { isOver } from "./board";
import type { JobBrief } from "./wire";

export function JobActions({ job, small = false }: { job: JobBrief; small?: boolean }) {
  const { busy, run } = useBusy();
  if (!may("jobs:run")) return null;
  const name = job.subject ? `${job.command} ${job.subject}` : job.command;
  const what = `${name} on ${job.host_name}`;
  const attempt = (work: () => Promise<void>) => run(() => work().catch(complain));
  if (isOver(job)) {
    return (
      <button
        type="button"
        class={small ? "small" : ""}
        disabled={busy}
        aria-label={`Retry ${what}`}
        onClick={() =>
          attempt(async () => {
            const { job_id } = await api.retry(job.id);
            say(`${what} is ordered again.`);
            if (!small) go("job", { id: job_id });
          })
        }
      >
        Retry
      </button>
    );
  }
  return (
    <button
      type="button"
      class={small ? "small danger" : "danger"}
      disabled={busy || job.cancel_at !== null}
      aria-label={`Cancel ${what}`}
      onClick={() =>
        attempt(async () => {
          await api.cancel(job.id);
        })
      }
    >
      Cancel
    </button>
  );
}
