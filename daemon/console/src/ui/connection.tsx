/** Whether something is followed live; when it isn't, why, and when it is tried again. */
import type { State } from "gangplank-client";
import { Icon } from "./icon";
import { Countdown } from "./time";

const WORDS = {
  connecting: ["Connecting", "busy"],
  open: ["Live", "good"],
  waiting: ["Not connected", "warn"],
  closed: ["Not connected", "idle"],
} as const;

interface Props {
  state: State;
  /** What is followed. */
  what: string;
  onRetry: () => void;
}

export function ConnectionMark({ state, what, onRetry }: Props) {
  const [words, tone] = WORDS[state.kind];
  const why = "why" in state ? state.why : "";
  // Closed without a code: nobody wants it to be open.
  const again = state.kind === "waiting" || (state.kind === "closed" && state.code !== null);
  return (
    <span class={`connection ${tone}`} data-connection={state.kind}>
      <span role="status" title={why || what}>
        <span class="dot" aria-hidden="true" /> <span class="words">{words}</span>
        {why && <span class="why">: {why}</span>}
      </span>
      {again && (
        <button type="button" class="small" onClick={onRetry} aria-label="Connect again now">
          {state.kind === "waiting" && <Countdown until={state.until} />}
          <Icon name="retry" />
        </button>
      )}
    </span>
  );
}
