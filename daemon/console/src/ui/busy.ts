/** Runs what a button starts: once at a time, and says why it failed. */
import { useState } from "preact/hooks";

export interface Busy {
  busy: boolean;
  error: string | null;
  run: (work: () => Promise<void>) => void;
}

export function useBusy(): Busy {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const run = (work: () => Promise<void>) => {
    if (busy) return;
    setBusy(true);
    setError(null);
    work()
      .catch((problem: unknown) =>
        setError(problem instanceof Error ? problem.message : String(problem)),
      )
      .finally(() => setBusy(false));
  };
  return { busy, error, run };
}
