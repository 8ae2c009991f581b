/** Terminals that run, and those that were. */
import { useState } from "preact/hooks";
import * as api from "../api";
import { hostKeyWords, wayWords } from "../terminal/words";
import { useBusy } from "../ui/busy";
import { Confirm } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Ago, Exact } from "../ui/time";
import type { TerminalSession } from "../wire";

function Row({ session, onEnd }: { session: TerminalSession; onEnd?: () => void }) {
  return (
    <tr>
      <th scope="row">{session.host_name}</th>
      <td data-label="As">{session.username || "–"}</td>
      <td data-label="By">{session.user}</td>
      <td data-label="Way">
        {wayWords(session.mode)}
        {session.host_key === "unverified" && (
          <span class="badge warn">{hostKeyWords(session.host_key)}</span>
        )}
      </td>
      <td data-label="Began">
        <Ago at={session.started_at} />
      </td>
      {onEnd ? (
        <>
          <td data-label="State">{session.state}</td>
          <td class="actions">
            <button
              type="button"
              class="small danger"
              aria-label={`End the session on ${session.host_name}`}
              onClick={onEnd}
            >
              End
            </button>
          </td>
        </>
      ) : (
        <>
          <td data-label="Ended">{session.ended_at && <Exact at={session.ended_at} />}</td>
          <td data-label="Why">{session.end_reason ?? ""}</td>
        </>
      )}
    </tr>
  );
}

function Table({ last, children }: { last: [string, string]; children: preact.ComponentChildren }) {
  return (
    <table class="stack">
      <thead>
        <tr>
          <th scope="col">Host</th>
          <th scope="col">As</th>
          <th scope="col">By</th>
          <th scope="col">Way</th>
          <th scope="col">Began</th>
          <th scope="col">{last[0]}</th>
          <th scope="col">{last[1]}</th>
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

export function SessionsPage() {
  const { items, error, more, reload } = useListed(api.sessions);
  const { busy, error: problem, run } = useBusy();
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
              <Table last={["State", "End"]}>
                {live.map((session) => (
                  <Row key={session.id} session={session} onEnd={() => setEnding(session)} />
                ))}
              </Table>
            )}
          </section>
          <section>
            <h2>Past</h2>
            {past.length === 0 && <p class="quiet">None yet.</p>}
            {past.length > 0 && (
              <Table last={["Ended", "Why"]}>
                {past.map((session) => (
                  <Row key={session.id} session={session} />
                ))}
              </Table>
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
          busy={busy}
          onClose={() => setEnding(null)}
          onConfirm={() =>
            run(async () => {
              await api.endSession(ending.id);
              setEnding(null);
              reload();
            })
          }
        >
          {problem && <Problem>{problem}</Problem>}
          <p>
            The terminal of <strong>{ending.user}</strong> on <strong>{ending.host_name}</strong>{" "}
            ends, with everything that runs in it.
          </p>
        </Confirm>
      )}
    </div>
  );
}
