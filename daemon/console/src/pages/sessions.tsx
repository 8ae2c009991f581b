/** Terminals that run, and those that were. */
import { useState } from "preact/hooks";
import * as api from "../api";
import { hostKeyWords, wayWords } from "../terminal/words";
import { Confirm } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { type Column, Table } from "../ui/table";
import { Ago, Exact } from "../ui/time";
import type { TerminalSession } from "../wire";

const COLUMNS: readonly [Column<TerminalSession>, ...Column<TerminalSession>[]] = [
  { head: "Host", cell: ({ host_name }) => host_name },
  { head: "As", cell: ({ username }) => username || "–" },
  { head: "By", cell: ({ user }) => user },
  {
    head: "Way",
    cell: ({ mode, host_key }) => (
      <>
        {wayWords(mode)}
        {host_key === "unverified" && <span class="badge warn">{hostKeyWords(host_key)}</span>}
      </>
    ),
  },
  { head: "Began", cell: ({ started_at }) => <Ago at={started_at} /> },
];

export function SessionsPage() {
  const { items, error, more, reload } = useListed(api.sessions);
  const [ending, setEnding] = useState<TerminalSession | null>(null);
  const live = items?.filter((session) => session.ended_at === null) ?? [];
  const past = items?.filter((session) => session.ended_at !== null) ?? [];
  return (
    <div class="page">
      <header class="page-head">
        <h1>Sessions</h1>
        <button type="button" onClick={reload}>
          <Icon name="retry" /> Refresh
        </button>
      </header>
      {error && <Problem>{error}</Problem>}
      {!items && !error && <Loading what="sessions" />}
      {items && (
        <>
          <section>
            <h2>Live</h2>
            {live.length === 0 && <p class="quiet">No terminal is open.</p>}
            {live.length > 0 && (
              <Table
                columns={[...COLUMNS, { head: "State", cell: ({ state }) => state }]}
                items={live}
                id={({ id }) => id}
                actions={(session) => [
                  {
                    words: "End",
                    label: `End the session on ${session.host_name}`,
                    danger: true,
                    does: () => setEnding(session),
                  },
                ]}
              />
            )}
          </section>
          <section>
            <h2>Past</h2>
            {past.length === 0 && <p class="quiet">None yet.</p>}
            {past.length > 0 && (
              <Table
                columns={[
                  ...COLUMNS,
                  { head: "Ended", cell: ({ ended_at }) => ended_at && <Exact at={ended_at} /> },
                  { head: "Why", cell: ({ end_reason }) => end_reason ?? "" },
                ]}
                items={past}
                id={({ id }) => id}
              />
            )}
            {more && (
              <button type="button" onClick={more}>
                Show older
              </button>
            )}
          </section>
        </>
      )}
      {ending && (
        <Confirm
          title="End this session?"
          action="End the session"
          onClose={() => setEnding(null)}
          onConfirm={async () => {
            await api.endSession(ending.id);
            setEnding(null);
            reload();
          }}
        >
          <p>
            The terminal of <strong>{ending.user}</strong> on <strong>{ending.host_name}</strong>{" "}
            ends, with everything that runs in it.
          </p>
        </Confirm>
      )}
    </div>
  );
}
