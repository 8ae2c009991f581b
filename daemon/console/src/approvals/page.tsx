/** What waits for somebody's consent, and what became of what did. */
import { useEffect, useState } from "preact/hooks";
import { may } from "../session";
import { Link } from "../ui/link";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Table } from "../ui/table";
import { Exact } from "../ui/time";
import { complain } from "../ui/toast";
import * as api from "./api";
import { Card, StatusMark } from "./card";
import { Decide, type Verdict } from "./decide";
import { pending, pendingError, reload, steps } from "./live";
import type { Approval } from "./wire";
import { what } from "./words";

type Asking = { approval: Approval; verdict: Verdict } | null;

function Pending({ ask }: { ask: (asking: Asking) => void }) {
  const items = pending.value;
  if (pendingError.value) return <Problem>{pendingError.value}</Problem>;
  if (!items) return <Loading what="what waits" />;
  if (items.length === 0) return <p class="quiet">Nothing waits for approval.</p>;
  const takeBack = (approval: Approval) =>
    void api
      .takeBack(approval.id)
      .catch(complain)
      .finally(() => {
        steps.value += 1;
        void reload();
      });
  return (
    <ul class="approvals">
      {items.map((approval) => (
        <Card
          key={approval.id}
          approval={approval}
          onDecide={
            may("approvals:manage") && !approval.own
              ? (verdict) => ask({ approval, verdict })
              : undefined
          }
          onTakeBack={() => takeBack(approval)}
        />
      ))}
    </ul>
  );
}

function History() {
  const { items, error, more } = useListed(api.approvals, String(steps.value));
  const over = items?.filter(({ status }) => status !== "pending");
  if (error) return <Problem>{error}</Problem>;
  if (!over) return <Loading what="what was decided" />;
  return (
    <>
      {over.length === 0 && <p class="quiet">Nothing was decided yet.</p>}
      {over.length > 0 && (
        <Table
          items={over}
          id={({ id }) => id}
          columns={[
            { head: "What", wrap: true, cell: what },
            { head: "State", cell: ({ status }) => <StatusMark status={status} /> },
            {
              head: "Asked by",
              cell: ({ requested_by, own }) => (
                <>
                  {requested_by}
                  {own && <span class="badge">you</span>}
                </>
              ),
            },
            {
              head: "Decided by",
              wrap: true,
              cell: ({ decided_by, note }) => (
                <>
                  {decided_by}
                  {note && <span class="quiet"> {note}</span>}
                </>
              ),
            },
            {
              head: "When",
              cell: ({ decided_at, requested_at }) => <Exact at={decided_at ?? requested_at} />,
            },
          ]}
        />
      )}
      {more && (
        <button type="button" onClick={more}>
          Show more
        </button>
      )}
    </>
  );
}

export function ApprovalsPage() {
  const [asking, setAsking] = useState<Asking>(null);
  // Who may not decide has no live topic, and sees their own requests as they are now.
  useEffect(() => void reload(), []);
  return (
    <div class="page">
      <header class="page-head">
        <h1>Approvals</h1>
        {may("approvals:manage") && <Link to="policies">What needs approval</Link>}
      </header>
      <section aria-label="Waiting">
        <h2>Waiting</h2>
        <Pending ask={setAsking} />
      </section>
      <section aria-label="Decided">
        <h2>Decided</h2>
        <History />
      </section>
      {asking && <Decide {...asking} onClose={() => setAsking(null)} />}
    </div>
  );
}
