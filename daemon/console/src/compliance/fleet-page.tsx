/** Where the fleet stands. */
import { go, route } from "../route";
import { may } from "../session";
import { Link } from "../ui/link";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Table } from "../ui/table";
import { Ago } from "../ui/time";
import * as api from "./api";
import { Score, SeverityBadge } from "./marks";
import type { Fleet, FleetHost, WorstRule } from "./wire";
import { profileName, SCANNERS, shortName } from "./words";

function Sum({ fleet }: { fleet: Fleet }) {
  return (
    <section aria-label="The fleet">
      <dl class="facts">
        <dt>Fleet score</dt>
        <dd>
          <Score score={fleet.score} />
        </dd>
        <dt>Scanned</dt>
        <dd>
          {fleet.scanned} of {fleet.hosts} hosts
        </dd>
      </dl>
    </section>
  );
}

function Worst({ rules }: { rules: readonly WorstRule[] }) {
  if (rules.length === 0) return null;
  return (
    <section>
      <h2>What most hosts fail</h2>
      <ol class="worst">
        {rules.map((rule) => (
          <li key={`${rule.scanner} ${rule.rule}`}>
            <Link to="rule" query={{ rule: rule.rule, scanner: rule.scanner }}>
              {rule.title || shortName(rule.rule)}
            </Link>
            <span class="worst-facts">
              <SeverityBadge severity={rule.severity} />
              {rule.hosts === 1 ? "1 host" : `${rule.hosts} hosts`}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Hosts({ hosts }: { hosts: readonly FleetHost[] }) {
  return (
    <Table
      caption="Hosts, the lowest score first"
      items={hosts}
      id={({ host_id }) => host_id}
      columns={[
        {
          head: "Host",
          cell: ({ host_id, host_name }) => (
            <Link to="host" query={{ id: host_id }}>
              {host_name}
            </Link>
          ),
        },
        {
          head: "Score",
          cell: ({ scan_id, score }) =>
            scan_id ? <Score score={score} /> : <span class="quiet">not scanned</span>,
        },
        {
          head: "Failed",
          cell: ({ counts }) => counts && counts.fail + counts.error + counts.unknown,
        },
        {
          head: "By",
          wrap: true,
          cell: ({ scanner, profile }) =>
            scanner && `${SCANNERS[scanner]}, ${profileName(profile ?? "")}`,
        },
        {
          head: "Scan",
          cell: ({ scan_id, at }) =>
            scan_id &&
            at && (
              <Link to="scan" query={{ id: scan_id }}>
                <Ago at={at} />
              </Link>
            ),
        },
      ]}
    />
  );
}

function Nothing({ scanner }: { scanner: string }) {
  return (
    <div class="empty">
      <h2>
        {scanner === "" ? "No host was scanned yet" : "No host was scanned with this scanner"}
      </h2>
      <p>
        Open a host and choose Scan now, or make a schedule that scans many. A host's owner has to
        allow it, with <code>policy.scan = true</code> in its agent's file.
      </p>
      <p>
        <Link to="hosts" class="button">
          To the hosts
        </Link>{" "}
        <Link to="schedules" class="button">
          To the schedules
        </Link>
      </p>
    </div>
  );
}

export function CompliancePage() {
  const scanner = route.value.query.get("scanner") ?? "";
  const load = (cursor?: string) => api.fleet(scanner, cursor);
  const { items, first, error, more } = useListed<Fleet>(load, scanner);
  return (
    <div class="page">
      <header class="page-head">
        <h1>Compliance</h1>
        <label class="inline-field">
          <span>Scanner</span>
          <select
            value={scanner}
            onChange={(event) => {
              const chosen = event.currentTarget.value;
              go("compliance", chosen === "" ? {} : { scanner: chosen }, true);
            }}
          >
            <option value="">any</option>
            {Object.entries(SCANNERS).map(([name, words]) => (
              <option key={name} value={name}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <Link to="schedules" class="button">
          Schedules
        </Link>
        <a class="button" href={api.fleetCsv(scanner)} download>
          Export CSV
        </a>
      </header>
      {error && <Problem>{error}</Problem>}
      {!items && !error && <Loading what="what scans found" />}
      {first && first.scanned === 0 && may("compliance:read") && <Nothing scanner={scanner} />}
      {first && items && first.scanned > 0 && (
        <>
          <Sum fleet={first} />
          <Worst rules={first.worst_rules} />
          <Hosts hosts={items} />
        </>
      )}
      {more && first && first.scanned > 0 && (
        <button type="button" onClick={more}>
          Show more hosts
        </button>
      )}
    </div>
  );
}
