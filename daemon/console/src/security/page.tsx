/** What the guard saw, live, and how logins stand. */
import { useEffect, useState } from "preact/hooks";
import { go, route } from "../route";
import { useListed, useLoaded } from "../ui/load";
import { Loading, Notice, Problem } from "../ui/notice";
import { Table } from "../ui/table";
import { Ago } from "../ui/time";
import { stream } from "../watch";
import * as api from "./api";
import { news } from "./live";
import type { Login, SecurityEvent } from "./wire";
import { evidenceText, KINDS, plain, SEVERITIES, STANDINGS } from "./words";

function Mark({ words, tone }: { words: string; tone: string }) {
  return (
    <span class={`presence ${tone}`}>
      <span class="dot" aria-hidden="true" />
      {words}
    </span>
  );
}

function Evidence({ event }: { event: SecurityEvent }) {
  const found = Object.entries(event.evidence).filter(([, value]) => evidenceText(value) !== "");
  if (found.length === 0) return null;
  return (
    <details>
      <summary>Evidence</summary>
      <dl class="facts">
        {found.map(([name, value]) => (
          <>
            <dt key={name}>{plain(name)}</dt>
            <dd class="wrap">{evidenceText(value)}</dd>
          </>
        ))}
      </dl>
    </details>
  );
}

function Severity({ severity }: SecurityEvent) {
  const [words, tone] = SEVERITIES[severity] ?? [severity, "idle"];
  return <Mark words={words} tone={tone} />;
}

function Events({ items }: { items: readonly SecurityEvent[] }) {
  if (items.length === 0) {
    return (
      <div class="empty">
        <p>Nothing that matches was seen. What happens from now on appears here by itself.</p>
      </div>
    );
  }
  return (
    <Table
      caption="Security events, newest first"
      items={items}
      id={({ id }) => id}
      columns={[
        { head: "Severity", cell: (event) => <Severity {...event} /> },
        {
          head: "What",
          wrap: true,
          cell: (event) => (
            <>
              <strong>{event.title}</strong>
              <Evidence event={event} />
            </>
          ),
        },
        { head: "Kind", cell: ({ kind }) => KINDS[kind] ?? plain(kind) },
        { head: "From", cell: ({ source }) => source ?? "" },
        { head: "User", cell: ({ user }) => user ?? "" },
        { head: "When", cell: ({ at }) => <Ago at={at} /> },
      ]}
    />
  );
}

function Standing({ state }: Login) {
  const [words, tone] = STANDINGS[state] ?? [state, "idle"];
  return <Mark words={words} tone={tone} />;
}

function Logins({ version }: { version: number }) {
  const { value, error } = useLoaded(api.logins, String(version));
  if (error) return <Problem>{error}</Problem>;
  if (!value) return null;
  return (
    <section>
      <h2>Logins</h2>
      <Table
        items={value.items}
        id={({ login_id }) => login_id}
        columns={[
          { head: "User", cell: ({ user }) => user },
          { head: "Standing", cell: (login) => <Standing {...login} /> },
          {
            head: "Reasons",
            wrap: true,
            cell: ({ reasons }) =>
              reasons.map(({ reason, count }) => `${plain(reason)} ${count}×`).join(", "),
          },
          { head: "From", cell: ({ source }) => source ?? "" },
          { head: "Program", wrap: true, quiet: true, cell: ({ user_agent }) => user_agent ?? "" },
          { head: "Since", cell: ({ since }) => <Ago at={since} /> },
        ]}
      />
    </section>
  );
}

const FIELDS = ["kind", "severity", "source", "user"] as const;

function shownFilter(): api.Filter {
  const { query } = route.value;
  const [kind = "", severity = "", source = "", user = ""] = FIELDS.map((name) => query.get(name));
  return { kind: kind ?? "", severity: severity ?? "", source: source ?? "", user: user ?? "" };
}

/** Goes to the page with one field of the filter changed. */
function choose(filter: api.Filter, change: Partial<api.Filter>): void {
  const given = Object.entries({ ...filter, ...change }).filter(([, value]) => value !== "");
  go("security", Object.fromEntries(given), true);
}

function TextField({
  label,
  value,
  set,
}: {
  label: string;
  value: string;
  set: (v: string) => void;
}) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  return (
    <label class="inline-field">
      <span>{label}</span>
      <input
        type="search"
        size={14}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onChange={(event) => set(event.currentTarget.value.trim())}
      />
    </label>
  );
}

function Choice(props: {
  label: string;
  value: string;
  words: Readonly<Record<string, string>>;
  set: (value: string) => void;
}) {
  return (
    <label class="inline-field">
      <span>{props.label}</span>
      <select value={props.value} onChange={(event) => props.set(event.currentTarget.value)}>
        <option value="">any</option>
        {Object.entries(props.words).map(([name, words]) => (
          <option key={name} value={name}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

const SEVERITY_WORDS = Object.fromEntries(
  Object.entries(SEVERITIES).map(([name, [words]]) => [name, words]),
);

export function SecurityPage() {
  const version = news.value;
  const filter = shownFilter();
  const key = `${version} ${JSON.stringify(filter)}`;
  const { items, error, more } = useListed((cursor?: string) => api.events(filter, cursor), key);
  const state = stream.value;
  return (
    <div class="page">
      <header class="page-head">
        <h1>Security</h1>
        <Choice
          label="Severity"
          value={filter.severity}
          words={SEVERITY_WORDS}
          set={(severity) => choose(filter, { severity })}
        />
        <Choice
          label="Kind"
          value={filter.kind}
          words={KINDS}
          set={(kind) => choose(filter, { kind })}
        />
        <TextField
          label="From"
          value={filter.source}
          set={(source) => choose(filter, { source })}
        />
        <TextField label="User" value={filter.user} set={(user) => choose(filter, { user })} />
        <a class="button" href={api.eventsCsv(filter)} download>
          Export CSV
        </a>
      </header>
      {state.kind === "waiting" && (
        <Notice>The daemon can't be reached. What is shown may be old; it is tried again.</Notice>
      )}
      {error && <Problem>{error}</Problem>}
      {!items && !error && <Loading what="security events" />}
      {items && <Events items={items} />}
      {more && (
        <button type="button" onClick={more}>
          Show older
        </button>
      )}
      <Logins version={version} />
    </div>
  );
}
