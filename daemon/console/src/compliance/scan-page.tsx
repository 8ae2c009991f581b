/** One scan: its score, and every rule with what to do. */

import { go, route } from "../route";
import { Field } from "../ui/field";
import { Link } from "../ui/link";
import { useListed } from "../ui/load";
import { Loading, Notice, Problem } from "../ui/notice";
import { Exact } from "../ui/time";
import * as api from "./api";
import { ResultMark, Score, SeverityBadge } from "./marks";
import type { Scan, ScanPart, ScanRule } from "./wire";
import { OUTCOMES, percent, profileName, SCANNERS, SEVERITIES, shortName } from "./words";

function Facts({ scan }: { scan: Scan }) {
  const { counts } = scan;
  const told = Object.entries(OUTCOMES).flatMap(([outcome, [words]]) => {
    const count = counts[outcome as keyof typeof counts];
    return count > 0 ? [`${count} ${words.toLowerCase()}`] : [];
  });
  return (
    <section aria-label="The scan">
      <dl class="facts">
        <dt>Score</dt>
        <dd>
          <Score score={scan.score} />
          {scan.scanner_score !== null && (
            <span class="quiet"> the scanner's own: {percent(scan.scanner_score)}</span>
          )}
        </dd>
        <dt>Rules</dt>
        <dd>{told.join(", ") || "none"}</dd>
        <dt>By</dt>
        <dd class="wrap">
          {SCANNERS[scan.scanner]} {scan.scanner_version}
        </dd>
        <dt>Profile</dt>
        <dd class="wrap">
          {profileName(scan.profile)}
          {scan.content && <span class="quiet"> of {scan.content}</span>}
        </dd>
        <dt>Taken in</dt>
        <dd>
          <Exact at={scan.at} />
          {scan.job_id && (
            <>
              {" "}
              <Link to="job" query={{ id: scan.job_id }}>
                Its job
              </Link>
            </>
          )}
        </dd>
      </dl>
    </section>
  );
}

/** What the address says is wanted of the rules. */
function wanted(): api.RuleFilter {
  const { query } = route.value;
  const field = (name: string) => query.get(name) ?? "";
  return { result: field("result"), severity: field("severity"), text: field("text") };
}

/** Keeps what is wanted in the address, so that it can be passed on and comes back. */
function want(id: string, filter: api.RuleFilter): void {
  const given = Object.entries(filter).filter(([, value]) => value !== "");
  go("scan", { id, ...Object.fromEntries(given) }, true);
}

function Filters({ id, filter }: { id: string; filter: api.RuleFilter }) {
  return (
    <search class="row filters" aria-label="Rules">
      <label class="field">
        <span>Result</span>
        <select
          value={filter.result}
          onChange={(event) => want(id, { ...filter, result: event.currentTarget.value })}
        >
          <option value="">any</option>
          {Object.entries(OUTCOMES).map(([name, [words]]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        <span>Severity</span>
        <select
          value={filter.severity}
          onChange={(event) => want(id, { ...filter, severity: event.currentTarget.value })}
        >
          <option value="">any</option>
          {Object.entries(SEVERITIES).map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </select>
      </label>
      <Field
        label="Text"
        grow
        type="search"
        value={filter.text}
        maxLength={64}
        autocomplete="off"
        placeholder="in title or name"
        onInput={(event) => want(id, { ...filter, text: event.currentTarget.value })}
      />
    </search>
  );
}

function Rule({ rule, scan }: { rule: ScanRule; scan: Scan }) {
  return (
    <li>
      <details class="rule">
        <summary>
          <span class="rule-head">
            <ResultMark result={rule.result} />
            <SeverityBadge severity={rule.severity} />
            <span class="rule-title">{rule.title || shortName(rule.rule)}</span>
          </span>
        </summary>
        <div class="rule-body">
          {rule.rationale && <p class="host-text">{rule.rationale}</p>}
          {rule.fix && (
            <>
              <h3>What to do</h3>
              <pre class="output">{rule.fix}</pre>
            </>
          )}
          {!rule.rationale && !rule.fix && <p class="quiet">The scanner says no more about it.</p>}
          <p class="quiet wrap">
            <code>{rule.rule}</code>
          </p>
          <p>
            <Link to="rule" query={{ rule: rule.rule, scanner: scan.scanner }}>
              This rule on all hosts
            </Link>
          </p>
        </div>
      </details>
    </li>
  );
}

export function ScanPage() {
  const id = route.value.query.get("id") ?? "";
  const filter = wanted();
  const load = (cursor?: string) => api.scan(id, filter, cursor);
  const key = `${id} ${JSON.stringify(filter)}`;
  const { items, first, error, more } = useListed<ScanPart>(load, key);
  const scan = first?.scan.id === id ? first.scan : null;
  const filtered = filter.result !== "" || filter.severity !== "" || filter.text !== "";
  return (
    <div class="page narrow">
      <nav aria-label="Place" class="crumbs">
        <Link to="compliance">Compliance</Link> <span aria-hidden="true">/</span>{" "}
        {scan && (
          <>
            <Link to="host" query={{ id: scan.host_id }}>
              {scan.host_name}
            </Link>{" "}
            <span aria-hidden="true">/</span>
          </>
        )}
      </nav>
      <header class="page-head">
        <h1>Scan{scan && ` of ${scan.host_name}`}</h1>
        {scan && (
          <>
            <a class="button" href={api.scanCsv(id, filter)} download>
              Export CSV
            </a>
            <a class="button" href={api.scanReport(id)} download>
              HTML report
            </a>
          </>
        )}
      </header>
      {error && <Problem>{error}</Problem>}
      {!scan && !error && <Loading what="this scan" />}
      {scan && items && (
        <>
          {scan.partial && (
            <Notice>This scan was ended before all rules were looked at: it is not all.</Notice>
          )}
          <Facts scan={scan} />
          <Filters id={id} filter={filter} />
          {items.length === 0 ? (
            <div class="empty">
              <p>{filtered ? "No rule is like that." : "This scan looked at no rule."}</p>
              {filtered && (
                <button
                  type="button"
                  onClick={() => want(id, { result: "", severity: "", text: "" })}
                >
                  Show all rules
                </button>
              )}
            </div>
          ) : (
            <ul class="rules" aria-label="Rules">
              {items.map((rule) => (
                <Rule key={`${rule.rule} ${rule.title}`} rule={rule} scan={scan} />
              ))}
            </ul>
          )}
          {more && (
            <button type="button" onClick={more}>
              Show more rules
            </button>
          )}
        </>
      )}
    </div>
  );
}
