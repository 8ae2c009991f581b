/** The inbox of alerts: what nobody has looked at, what somebody does, and what is dealt with. */
import { useRef, useState } from "preact/hooks";
import { route } from "../route";
import { may } from "../session";
import { useBusy } from "../ui/busy";
import { Icon } from "../ui/icon";
import { stepRow, useKeys } from "../ui/keys";
import { Link } from "../ui/link";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { SEVERITIES } from "../ui/severity";
import { say } from "../ui/toast";
import * as api from "./api";
import { type Filter, matches, toggled } from "./choice";
import { changes, counts, look } from "./news";
import { AlertRow } from "./row";
import { type AlertState, STATES, type StoredAlert } from "./wire";

const TITLES: Readonly<Record<AlertState, string>> = {
  new: "New",
  acknowledged: "Acknowledged",
  closed: "Closed",
};

const EMPTY: Readonly<Record<AlertState, string>> = {
  new: "Nothing new. Alerts that are raised appear here by themselves.",
  acknowledged: "Nobody looks into an alert at the moment.",
  closed: "No alert was closed yet.",
};

/** What can be made of alerts in a state. */
const STEPS: Readonly<Record<AlertState, readonly [AlertState, string][]>> = {
  new: [
    ["acknowledged", "Acknowledge"],
    ["closed", "Close"],
  ],
  acknowledged: [
    ["closed", "Close"],
    ["new", "Reopen"],
  ],
  closed: [["new", "Reopen"]],
};

const DONE: Readonly<Record<AlertState, string>> = {
  new: "open again",
  acknowledged: "acknowledged",
  closed: "closed",
};

function shown(): AlertState {
  return STATES.find((state) => state === route.value.query.get("show")) ?? "new";
}

interface BarProps {
  state: AlertState;
  listed: readonly StoredAlert[];
  chosen: ReadonlySet<string>;
  onChoose: (chosen: ReadonlySet<string>) => void;
  onSettle: (state: AlertState, note: string) => void;
  busy: boolean;
}

/** What is done with those that are chosen. */
function Bar({ state, listed, chosen, onChoose, onSettle, busy }: BarProps) {
  const [note, setNote] = useState("");
  const all = listed.length > 0 && chosen.size === listed.length;
  return (
    <div class="entry-bar">
      <label class="choice">
        <input
          type="checkbox"
          checked={all}
          onChange={() => onChoose(new Set(all ? [] : listed.map(({ id }) => id)))}
        />
        {chosen.size === 0 ? "All" : `${chosen.size} chosen`}
      </label>
      <input
        class="grow"
        aria-label="Note"
        placeholder="Note for whoever looks later"
        maxLength={500}
        value={note}
        onInput={(event) => setNote(event.currentTarget.value)}
      />
      {STEPS[state].map(([to, words], index) => (
        <button
          key={to}
          type="button"
          class={index === 0 ? "primary" : ""}
          disabled={busy || chosen.size === 0}
          onClick={() => {
            onSettle(to, note.trim());
            setNote("");
          }}
        >
          {words}
        </button>
      ))}
    </div>
  );
}

function List({ state, filter }: { state: AlertState; filter: Filter }) {
  const list = useRef<HTMLUListElement>(null);
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const { busy, error, run } = useBusy();
  const loaded = useListed((cursor) => api.list(state, cursor), `${state} ${changes.value}`);
  const listed = loaded.items?.filter((alert) => matches(alert, filter)) ?? [];
  // What is no longer shown can't be meant.
  const chosen = new Set(listed.map(({ id }) => id).filter((id) => picked.has(id)));
  const settle = (ids: readonly string[], to: AlertState, note: string) =>
    run(async () => {
      await api.settle(ids, to, note);
      say(`${ids.length === 1 ? "One alert is" : `${ids.length} alerts are`} ${DONE[to]}.`);
      setPicked(new Set());
      look();
    });
  /** Those that are chosen, or else the one that has the focus. */
  const meant = (): string[] => {
    if (chosen.size > 0) return [...chosen];
    const here = document.activeElement?.closest<HTMLElement>("[data-row]")?.dataset.row;
    return here === undefined ? [] : [here];
  };
  const step = (to: AlertState) => () => {
    const ids = meant();
    if (ids.length > 0 && STEPS[state].some(([one]) => one === to)) settle(ids, to, "");
  };
  const manage = may("alerts:manage");
  const look_ = {
    j: () => stepRow(list.current, 1),
    k: () => stepRow(list.current, -1),
    Enter: () => {
      const details = document.activeElement?.querySelector("details");
      if (details) details.open = !details.open;
    },
  };
  const change = {
    a: step("acknowledged"),
    c: step("closed"),
    x: () => {
      const here = document.activeElement?.closest<HTMLElement>("[data-row]")?.dataset.row;
      if (here !== undefined) setPicked(toggled(chosen, here));
    },
  };
  useKeys(manage ? { ...look_, ...change } : look_);
  if (loaded.error) return <Problem>{loaded.error}</Problem>;
  if (!loaded.items) return <Loading what="alerts" />;
  if (listed.length === 0) {
    const none = loaded.items.length === 0;
    return (
      <div class="empty">
        <p>{none ? EMPTY[state] : "No alert matches."}</p>
      </div>
    );
  }
  return (
    <>
      {error && <Problem>{error}</Problem>}
      {manage && (
        <Bar
          state={state}
          listed={listed}
          chosen={chosen}
          onChoose={setPicked}
          onSettle={(to, note) => settle([...chosen], to, note)}
          busy={busy}
        />
      )}
      <ul class="entries" ref={list}>
        {listed.map((alert) => (
          <AlertRow
            key={alert.id}
            alert={alert}
            chosen={chosen.has(alert.id)}
            {...(manage ? { onChoose: () => setPicked(toggled(chosen, alert.id)) } : {})}
          />
        ))}
      </ul>
      {loaded.more && (
        <button type="button" onClick={loaded.more}>
          Show older
        </button>
      )}
    </>
  );
}

export function AlertsPage() {
  const state = shown();
  const field = useRef<HTMLInputElement>(null);
  const [filter, setFilter] = useState<Filter>({ words: "", severity: "" });
  useKeys({ "/": () => field.current?.select() });
  if (!may("ws:alerts")) return <Problem>Your role does not allow you to see alerts.</Problem>;
  return (
    <div class="page">
      <header class="page-head">
        <h1>Alerts</h1>
        <search class="search-field">
          <Icon name="search" />
          <input
            ref={field}
            type="search"
            aria-label="Search alerts"
            aria-keyshortcuts="/"
            placeholder="Search alerts"
            value={filter.words}
            onInput={(event) => setFilter({ ...filter, words: event.currentTarget.value })}
          />
          <span class="kbd" aria-hidden="true">
            /
          </span>
        </search>
        <select
          class="fit"
          aria-label="Severity"
          value={filter.severity}
          onChange={(event) => setFilter({ ...filter, severity: event.currentTarget.value })}
        >
          <option value="">every severity</option>
          {SEVERITIES.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      </header>
      <nav class="parts" aria-label="Alerts by state">
        {STATES.map((one) => (
          <Link key={one} to="alerts" query={{ show: one }} current={one === state}>
            {TITLES[one]} {counts.value && <span class="count">{counts.value[one]}</span>}
          </Link>
        ))}
      </nav>
      <List key={state} state={state} filter={filter} />
      <p class="quiet keys-hint">
        <kbd>j</kbd> <kbd>k</kbd> next and previous, <kbd>Enter</kbd> more of it
        {may("alerts:manage") && (
          <>
            , <kbd>x</kbd> choose, <kbd>a</kbd> acknowledge, <kbd>c</kbd> close
          </>
        )}
      </p>
    </div>
  );
}
