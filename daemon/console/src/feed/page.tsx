/** What happens, live: one channel at a time. */
import { useMemo, useRef, useState } from "preact/hooks";
import { readable } from "../jobs/output";
import { route } from "../route";
import { ConnectionMark } from "../ui/connection";
import { Icon } from "../ui/icon";
import { stepRow, useKeys } from "../ui/keys";
import { Link } from "../ui/link";
import { Notice, Problem } from "../ui/notice";
import { Severity } from "../ui/severity";
import { Exact } from "../ui/time";
import { type Entry, FEEDS, type FeedName, offered } from "./entry";
import { Filters } from "./filters";
import { useFeed } from "./follow";
import { EVERYTHING, type Filter, HELD, matches } from "./log";

function Row({ entry }: { entry: Entry }) {
  const [open, setOpen] = useState(false);
  return (
    <li class="entry" data-row={entry.seq} tabIndex={-1}>
      <div class="entry-main">
        <p class="entry-head">
          <span class="quiet">
            <Exact at={entry.at} />
          </span>
          <span class="badge">{entry.type}</span>
          {entry.severity && <Severity of={entry.severity} />}
          {entry.host && (
            <Link to="host" query={{ id: entry.host.id }}>
              {entry.host.name}
            </Link>
          )}
          {entry.case && <span class="quiet">case {entry.case}</span>}
        </p>
        <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary class="host-text">{entry.text || entry.type}</summary>
          {open && <pre class="output">{readable(JSON.stringify(entry.data, null, 2))}</pre>}
        </details>
      </div>
    </li>
  );
}

function Following({ name }: { name: FeedName }) {
  const { log, state, error, notices, setPaused, older, retry } = useFeed(name);
  const [filter, setFilter] = useState<Filter>(EVERYTHING);
  const field = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const rows = useMemo(() => log.rows.filter((row) => matches(row, filter)), [log.rows, filter]);
  const now = () => {
    setPaused(false);
    document.querySelector("main")?.scrollTo({ top: 0 });
  };
  useKeys({
    " ": () => setPaused(!log.paused),
    "/": () => field.current?.select(),
    j: () => stepRow(list.current, 1),
    k: () => stepRow(list.current, -1),
    n: now,
    Enter: () => {
      const details = document.activeElement?.querySelector("details");
      if (details) details.open = !details.open;
    },
  });
  return (
    <>
      <div class="entry-bar">
        <ConnectionMark state={state} what={FEEDS[name].words} onRetry={retry} />
        <button type="button" aria-pressed={log.paused} onClick={() => setPaused(!log.paused)}>
          {log.paused ? "Go on" : "Pause"}
        </button>
        <button type="button" onClick={now}>
          <Icon name="up" /> Jump to now
        </button>
        <span class="quiet" role="status">
          {log.paused && `Paused: ${log.waited} ${log.waited === 1 ? "waits" : "wait"}`}
        </span>
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
      <ul class="entries" ref={list}>
        {rows.map((entry) => (
          <Row key={entry.seq} entry={entry} />
        ))}
      </ul>
      {log.older && log.rows.length > 0 && (
        <button type="button" onClick={older}>
          Show older
        </button>
      )}
      <p class="quiet keys-hint">
        <kbd>space</kbd> pause, <kbd>n</kbd> to now, <kbd>j</kbd> <kbd>k</kbd> next and previous,{" "}
        <kbd>Enter</kbd> all of it, <kbd>/</kbd> search. The newest {HELD} are held while the page
        is open; older ones are fetched.
      </p>
    </>
  );
}

export function FeedPage() {
  const names = offered();
  const asked = route.value.query.get("channel");
  const name = names.find((one) => one === asked) ?? names[0];
  return (
    <div class="page">
      <header class="page-head">
        <h1>Live feed</h1>
      </header>
      {name ? (
        <>
          <nav class="parts" aria-label="Channels">
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
