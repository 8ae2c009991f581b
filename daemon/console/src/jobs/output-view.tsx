/** The output of a job as it comes, as text and nothing else. */
import { useEffect, useState } from "preact/hooks";
import { backoff } from "../backoff";
import { Problem } from "../ui/notice";
import * as api from "./api";
import { NOTHING, type Output, Reader } from "./output";
import { Printed } from "./printed";

/** Seconds that the daemon may wait for more. */
const WAIT = 25;

const pause = (milliseconds: number, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  });

/** Follows the output until it is complete. A lost connection goes on where it ended. */
async function follow(
  jobId: string,
  tell: (output: Output, problem: string | null) => void,
  signal: AbortSignal,
): Promise<void> {
  const reader = new Reader();
  let failures = 0;
  while (!signal.aborted && !reader.output.complete) {
    try {
      const part = await api.output(jobId, reader.offset, WAIT, signal);
      failures = 0;
      tell(reader.take(part), null);
    } catch (error) {
      if (signal.aborted) return;
      tell(reader.output, error instanceof Error ? error.message : String(error));
      await pause(backoff(failures++, Math.random), signal);
    }
  }
}

/** `attempt` begins anew when it changes. */
export function OutputView({ jobId, attempt }: { jobId: string; attempt: number }) {
  const [output, setOutput] = useState<Output>(NOTHING);
  const [problem, setProblem] = useState<string | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt prints from the start
  useEffect(() => {
    const stop = new AbortController();
    setOutput(NOTHING);
    void follow(
      jobId,
      (next, trouble) => {
        setOutput(next);
        setProblem(trouble);
      },
      stop.signal,
    );
    return () => stop.abort();
  }, [jobId, attempt]);
  return (
    <section>
      <h2>Output</h2>
      {problem && <Problem>{problem}</Problem>}
      <Printed output={output} over={output.complete} />
      <p class="unseen" role="status">
        {output.complete && "The output is complete."}
      </p>
    </section>
  );
}
