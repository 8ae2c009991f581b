/** Frames of what tools print, from the channel of security, for whoever shows a job's. */
import { followEvents, type Parser, security, type ToolOutput } from "gangplank-client";
import { useEffect } from "preact/hooks";
import { hold, release } from "../live";
import { may } from "../session";

const listeners = new Map<string, (frame: ToolOutput) => void>();
/** Those who must look for themselves, because frames are gone. */
const gaps = new Set<() => void>();

/** Hears the frames of a job, and when some are gone. */
export function onFrames(
  jobId: string,
  frame: (frame: ToolOutput) => void,
  gap: () => void,
): () => void {
  listeners.set(jobId, frame);
  gaps.add(gap);
  return () => {
    listeners.delete(jobId);
    gaps.delete(gap);
  };
}

const frames: Parser<ToolOutput | null> = (value) => {
  const message = security(value);
  return message.type === "tool_output" ? message.data : null;
};

/** Follows the channel while a page is shown, where the person may. */
export function useFrames(): void {
  const allowed = may("ws:security");
  useEffect(() => {
    if (!allowed) return;
    const following = hold(
      (options) =>
        followEvents({
          ...options,
          topics: { security: frames },
          onEvent: ({ data }) => data && listeners.get(data.job_id)?.(data),
          onGap: () => {
            for (const look of gaps) look();
          },
        }),
      () => {},
    );
    return () => release(following);
  }, [allowed]);
}
