/** The line above a terminal: how it stands, and what can be done about it. */
import type { ComponentChildren } from "preact";
import { changeFontSize } from "../settings";
import { Icon } from "../ui/icon";
import { Countdown } from "../ui/time";
import { LatencyMark } from "./latency";
import type { TerminalTab } from "./tab";
import { backlogWords, endWords, explain, hostKeyWords } from "./words";

const MODES = {
  pty: "through its agent",
  proxy: "SSH by its agent",
  direct: "direct SSH",
} as const;

/** The colour of the dot, in words of the style sheet. */
const TONE = {
  idle: "idle",
  connecting: "busy",
  prompt: "busy",
  approval: "warn",
  host_key: "busy",
  connected: "good",
  suspended: "warn",
  failed: "bad",
  waiting: "warn",
  lost: "bad",
  ended: "idle",
  gone: "idle",
} as const;

function words(tab: TerminalTab): ComponentChildren {
  const state = tab.state.value;
  const name = tab.host.friendly_name;
  const asked = tab.asked.value;
  const whom = asked?.username ? ` as ${asked.username}` : "";
  switch (state.kind) {
    case "idle":
      return `${name}: not connected`;
    case "connecting":
      return state.resuming ? `Coming back to ${name} …` : `Connecting to ${name}${whom} …`;
    case "prompt":
      return `${name} asks a question`;
    case "approval":
      return (
        <>
          <strong>Waits until somebody else approves this terminal</strong> on {name}
          {whom}
          <span class="quiet"> · it opens by itself; ends in </span>
          <Countdown until={state.until} />
        </>
      );
    case "host_key":
      return `${name} shows a key that is not known yet`;
    case "connected": {
      const how = asked ? MODES[asked.mode] : "";
      const key = hostKeyWords(state.hostKey);
      return (
        <>
          <strong>
            Connected to {name}
            {whom}
          </strong>
          <span class="quiet"> · {how}</span>
          {key && (
            <span class={state.hostKey === "unverified" ? "warning" : "quiet"}> · {key}</span>
          )}
        </>
      );
    }
    case "suspended":
      return `${name} is away: ${state.why}. The session goes on when it is back.`;
    case "failed": {
      const { title, advice } = explain(state.error);
      return (
        <>
          <strong>{title}.</strong> {state.error.message && `${state.error.message} `}
          <span class="quiet">{advice}</span>
        </>
      );
    }
    case "waiting":
      return state.why;
    case "lost":
      return state.why;
    case "ended":
      return endWords(state);
    case "gone":
      return `The terminal on ${name} ended while you were away.`;
  }
}

function Actions({ tab }: { tab: TerminalTab }) {
  const state = tab.state.value;
  const again = (label: string) => (
    <button type="button" class="small primary" onClick={() => tab.reconnect()}>
      <Icon name="retry" /> {label}
    </button>
  );
  switch (state.kind) {
    case "waiting":
      return (
        <>
          {/* Shorter waits are over before they are read. */}
          {state.until - Date.now() > 1_000 && (
            <span class="quiet">
              Trying again in <Countdown until={state.until} />
            </span>
          )}
          {again("Now")}
        </>
      );
    case "lost":
      return again(state.taken ? "Take it back" : "Reconnect");
    case "ended":
    case "gone":
      return again("New session");
    case "failed":
      if (tab.asking.value || state.error.code === "host_key_changed") return null;
      return again("Try again");
    case "connected":
      return state.closesAt === undefined ? null : (
        <>
          <span class="warning">
            Nothing typed for long: closes in <Countdown until={state.closesAt} />
          </span>
          <button type="button" class="small primary" onClick={() => tab.stay()}>
            Stay
          </button>
        </>
      );
    default:
      return null;
  }
}

function Waiting({ tab }: { tab: TerminalTab }) {
  const waiting = tab.waiting.value;
  if (!waiting) return null;
  if (waiting.kind === "typed") return <span class="warning">{backlogWords(waiting)}</span>;
  return <span class="quiet">{Math.ceil(waiting.bytes / 1024)} KiB to send</span>;
}

export function StateLine({ tab, onSearch }: { tab: TerminalTab; onSearch: () => void }) {
  const { kind } = tab.state.value;
  const formCanOpen =
    tab.session.value === null && !["connecting", "approval", "prompt", "host_key"].includes(kind);
  return (
    <div class={`state-line ${TONE[kind]}`}>
      <span class="dot" aria-hidden="true" />
      <p class="state-words" role="status" data-state={kind}>
        {words(tab)}
        {tab.notices.value && <span class="warning"> {tab.notices.value}</span>}
      </p>
      <Waiting tab={tab} />
      <Actions tab={tab} />
      {formCanOpen && !tab.asking.value && (
        <button
          type="button"
          class="small"
          onClick={() => {
            tab.asking.value = true;
          }}
        >
          Connect as …
        </button>
      )}
      <LatencyMark latency={tab.latency.value} />
      <span class="tools">
        <button
          type="button"
          class="icon"
          aria-label="Smaller letters"
          onClick={() => changeFontSize(-1)}
        >
          <Icon name="smaller" />
        </button>
        <button
          type="button"
          class="icon"
          aria-label="Larger letters"
          onClick={() => changeFontSize(1)}
        >
          <Icon name="larger" />
        </button>
        <button type="button" class="icon" aria-label="Search in the output" onClick={onSearch}>
          <Icon name="search" />
        </button>
      </span>
    </div>
  );
}
