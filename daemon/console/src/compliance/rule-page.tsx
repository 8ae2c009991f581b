/** One rule over the fleet. */
import { go, route } from "../route";
import { Crumbs } from "../ui/crumbs";
import { Link } from "../ui/link";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Table } from "../ui/table";
import { Ago } from "../ui/time";
import * as api from "./api";
import { ResultMark, SeverityBadge } from "./marks";
import type { Outcome, RuleOnHost, RulePart } from "./wire";
import { OUTCOMES, SCANNERS, shortName } from "./words";

function Words({ part }: { part: RulePart }) {
  const { rule, results } = part;
  const told = Object.entries(OUTCOMES).flatMap(([outcome, [words]]) => {
    const hosts = results[outcome as Outcome] ?? 0;
    return hosts > 0 ? [`${words} on ${hosts}`] : [];
  });
  return (
    <section aria-label="The rule">
      <dl class="facts">
        <dt>Severity</dt>
        <dd>
          <SeverityBadge severity={rule.severity} />
        </dd>
        <dt>Hosts</dt>
        <dd>{told.join(", ") || "no host's latest scan has it"}</dd>
        <dt>Name</dt>
        <dd class="wrap">
          <code>{rule.rule}</code>
        </dd>
        <dt>By</dt>
        <dd>{SCANNERS[rule.scanner]}</dd>
        {rule.rationale && (
          <>
            <dt>Why</dt>
            <dd class="host-text">{rule.rationale}</dd>
          </>
        )}
      </dl>
      {rule.fix && (
        <>
          <h3>What to do</h3>
          <pre class="output">{rule.fix}</pre>
        </>
      )}
    </section>
  );
}

function Hosts({ hosts }: { hosts: readonly RuleOnHost[] }) {
  return (
    <Table
      items={hosts}
      id={({ scan_id }) => scan_id}
      columns={[
        {
          head: "Host",
          cell: ({ host_id, host_name }) => (
            <Link to="host" query={{ id: host_id }}>
              {host_name}
            </Link>
          ),
        },
        { head: "Result", cell: ({ result }) => <ResultMark result={result} /> },
        {
          head: "Scan",
          cell: ({ scan_id, at }) => (
            <Link to="scan" query={{ id: scan_id }}>
              <Ago at={at} />
            </Link>
          ),
        },
      ]}
    />
  );
}

export function RulePage() {
  const { query } = route.value;
  const [name, scanner, result] = ["rule", "scanner", "result"].map((one) => query.get(one) ?? "");
  const load = (cursor?: string) => api.rule(name ?? "", scanner ?? "", result ?? "", cursor);
  const key = `${scanner} ${name} ${result}`;
  const { items, first, error, more } = useListed<RulePart>(load, key);
  const part = first?.rule.rule === name ? first : null;
  const narrow = (chosen: string) => {
    const given = { rule: name ?? "", scanner: scanner ?? "", result: chosen };
    go("rule", Object.fromEntries(Object.entries(given).filter(([, value]) => value !== "")), true);
  };
  return (
    <div class="page narrow">
      <Crumbs to="compliance" words="Compliance" />
      <header class="page-head">
        <h1>{part?.rule.title || shortName(name ?? "")}</h1>
      </header>
      {error && <Problem>{error}</Problem>}
      {!part && !error && <Loading what="this rule" />}
      {part && items && (
        <>
          <Words part={part} />
          <label class="inline-field">
            <span>Result</span>
            <select value={result ?? ""} onChange={(event) => narrow(event.currentTarget.value)}>
              <option value="">any</option>
              {Object.entries(OUTCOMES).map(([outcome, [words]]) => (
                <option key={outcome} value={outcome}>
                  {words}
                </option>
              ))}
            </select>
          </label>
          {items.length === 0 ? (
            <p class="empty">No host's latest scan came out so.</p>
          ) : (
            <Hosts hosts={items} />
          )}
          {more && (
            <button type="button" onClick={more}>
              Show more hosts
            </button>
          )}
        </>
      )}
    </div>
  );
}
