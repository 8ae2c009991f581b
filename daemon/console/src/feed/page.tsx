/** What happens, live: one channel at a time. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { route } from "../route";
import { ConnectionMark } from "../ui/connection";
import { Icon } from "../ui/icon";
import { useKeys } from "../ui/keys";
import { Link } from "../ui/link";
import { Notice, Problem } from "../ui/notice";
import { type Entry, FEEDS, type FeedName, offered } from "./entry";
import { Filters } from "./filters";
import { useFeed } from "./follow";
import { EntryList, type Steps } from "./list";
import { EVERYTHING, type Filter, HELD, type Log, matches } from "./log";

/** The rows that are meant. Each is looked at once for a filter, however often more come. */
function useMatching(rows: readonly Entry[], filter: Filter): readonly Entry[] {
  // biome-ignore lint/correctness/useExhaustiveDependencies: another filter, other answers
  const known = useMemo(() => new WeakMap<Entry, boolean>(), [filter]);
  return useMemo(() => {
    if (filter === EVERYTHING) return rows;
    return rows.filter((row) => {
      const before = known.get(row);
      if (before !== undefined) return before;
      const meant = matches(row, filter);
      known.set(row, meant);
      return meant;
    });
  }, [rows, filter, known]);
}

/** What waits. Only the word that it waits is read out, and not every number. */
function Waiting({ log, paused }: { log: Log; paused: boolean }) {
  if (paused) {
    return (
      <span class="quiet">
        <span role="status">Paused</span>: {log.waited} {log.waited === 1 ? "waits" : "wait"}
      </span>
    );
  }
  return <span class="quiet">{log.waited > 0 && `${log.waited} newer`}</span>;
}

function Following({ name }: { name: FeedName }) {
  const { log, state, error, notices, setPaused: hold, older, retry } = useFeed(name);
  const [filter, setFilter] = useState<Filter>(EVERYTHING);
  const [paused, setPaused] = useState(false);
  const [reading, setReading] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const steps = useRef<Steps | null>(null);
  const rows = useMatching(log.rows, filter);
  // biome-ignore lint/correctness/useExhaustiveDependencies: whoever holds it is always the same
  useEffect(() => hold(paused || reading), [paused, reading]);
  const now = () => {
    const focused = document.activeElement;
    if (focused instanceof HTMLElement && focused.closest(".entries")) focused.blur();
    document.querySelector("main")?.scrollTo({ top: 0 });
    setPaused(false);
    setReading(false);
  };
  useKeys({
    " ": () => setPaused(!paused),
    "/": () => field.current?.select(),
    j: () => steps.current?.step(1),
    k: () => steps.current?.step(-1),
    n: now,
    Enter: () => steps.current?.toggle(),
  });
  return (
    <>
      <div class="entry-bar">
        <ConnectionMark state={state} what={FEEDS[name].words} onRetry={retry} />
        <button type="button" aria-pressed={paused} onClick={() => setPaused(!paused)}>
          {paused ? "Go on" : "Pause"}
        </button>
        <button type="button" onClick={now}>
          <Icon name="up" /> Jump to now
        </button>
        <Waiting log={log} paused={paused} />
      </div>
      <Filters rows={log.rows} filter={filter} onChange={setFilter} field={field} />
      {error && <Problem>{error}</Problem>}
      {notices.map((words) => (
        <Notice key={words}>{words}</Notice>
      ))}
      {rows.length === 0 && (
        <div class="empty">
          <p>
            {log.rows.length > 0
              ? "Nothing of what is here matches."
              : "Nothing has happened yet. It appears here by itself."}
          </p>
        </div>
      )}
      {rows.length > 0 && (
        <EntryList
          label={FEEDS[name].words}
          rows={rows}
          older={log.older}
          busy={state.kind === "connecting"}
          onReading={setReading}
          steps={steps}
        />
      )}
      {log.older && log.rows.length > 0 && (
        <button type="button" onClick={older}>
          Show older
        </button>
      )}
      <p class="quiet keys-hint">
        <kbd>space</kbd> pause, <kbd>n</kbd> to now, <kbd>j</kbd> <kbd>k</kbd> next and previous,{" "}
        <kbd>Enter</kbd> all of it, <kbd>/</kbd> search. While you read, what comes waits. The
        newest {HELD.toLocaleString()} are held while the page is open; older ones are fetched.
      </p>
    </>
  );
}

export function FeedPage() {
  const names = offered();
  const asked = route.value.query.get("channel");
  const name = names.find((one) => one === asked) ?? names[0];
  const parts = useRef<HTMLElement>(null);
  // On a phone the channels are a row to be pushed.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another channel stands elsewhere
  useEffect(() => {
    const chosen = parts.current?.querySelector("[aria-current]");
    chosen?.scrollIntoView({ inline: "center", block: "nearest" });
  }, [name]);
  return (
    <div class="page">
      <header class="page-head">
        <h1>Live feed</h1>
      </header>
      {name ? (
        <>
          <nav class="parts" aria-label="Channels" ref={parts}>
            {names.map((one) => (
              <Link key={one} to="feed" query={{ channel: one }} current={one === name}>
                {FEEDS[one].words}
              </Link>
            ))}
          </nav>
          <Following key={name} name={name} />
        </>
      ) : (
        <Problem>Your role does not allow you to follow any channel.</Problem>
      )}
    </div>
  );
}
