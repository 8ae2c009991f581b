/** One request: what is asked for exactly, by whom, until when. */
import { may } from "../session";
import { Exactly } from "../ui/exactly";
import { Link } from "../ui/link";
import { Ago, Countdown } from "../ui/time";
import type { Approval } from "./wire";
import { STATUS, what } from "./words";

const RISK_TONE = { low: "", medium: "", high: "warn", critical: "warn" } as const;

export function RiskMark({ risk }: { risk: Approval["risk_level"] }) {
  return <span class={`badge risk ${RISK_TONE[risk] ?? ""}`}>risk: {risk}</span>;
}

export function StatusMark({ status }: { status: Approval["status"] }) {
  const [words, tone] = STATUS[status] ?? [status, "idle"];
  return (
    <span class={`presence ${tone}`} data-approval-status={status}>
      <span class="dot" aria-hidden="true" />
      {words}
    </span>
  );
}

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** The host by its name, where it is one. */
function Target({ object, context }: Approval) {
  const [id, name] = [text(context.host_id), text(context.host_name)];
  if (id === null || name === null) return <>{object}</>;
  return (
    <Link to="host" query={{ id }}>
      {name}
    </Link>
  );
}

export function Details({ approval }: { approval: Approval }) {
  return (
    <dl class="facts">
      <dt>Asked by</dt>
      <dd>
        {approval.requested_by} <Ago at={approval.requested_at} />
      </dd>
      <dt>For</dt>
      <dd class="wrap">
        <Target {...approval} />
      </dd>
      <Exactly name="Exactly" value={approval.payload} />
      <Exactly name="Context" value={approval.context} />
      {approval.case_id && (
        <>
          <dt>Case</dt>
          <dd class="wrap">{approval.case_id}</dd>
        </>
      )}
      {approval.decided_by && (
        <>
          <dt>Decided by</dt>
          <dd class="wrap">
            {approval.decided_by}
            {approval.note && `: ${approval.note}`}
          </dd>
        </>
      )}
      {approval.job_id && may("jobs:read") && (
        <>
          <dt>Job</dt>
          <dd>
            <Link to="job" query={{ id: approval.job_id }}>
              the job that waits for it
            </Link>
          </dd>
        </>
      )}
    </dl>
  );
}

interface Props {
  approval: Approval;
  /** Asks for a decision; absent where the person may not decide. */
  onDecide?: ((verdict: "approve" | "deny") => void) | undefined;
  onTakeBack: () => void;
}

/** A request that waits. With the focus on it, `a` and `d` decide. */
export function Card({ approval, onDecide, onTakeBack }: Props) {
  const title = what(approval);
  return (
    <li
      class="card approval"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it takes the keys that decide
      tabIndex={0}
      data-approval={approval.id}
      aria-label={title}
      onKeyDown={(event) => {
        if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey)
          return;
        const verdict = ({ a: "approve", d: "deny" } as const)[event.key];
        if (!verdict || !onDecide) return;
        event.preventDefault();
        onDecide(verdict);
      }}
    >
      <header class="approval-head">
        <h3 class="wrap">{title}</h3>
        <RiskMark risk={approval.risk_level} />
        <span class="quiet">
          ends in <Countdown until={new Date(approval.expires_at).getTime()} />
        </span>
      </header>
      <Details approval={approval} />
      <div class="actions">
        {approval.own && (
          <>
            <span class="quiet">Your own request: somebody else decides.</span>
            <button type="button" class="small" onClick={onTakeBack}>
              Take it back
            </button>
          </>
        )}
        {!approval.own && onDecide && (
          <>
            <button type="button" class="primary" onClick={() => onDecide("approve")}>
              Approve <kbd>a</kbd>
            </button>
            <button type="button" class="danger" onClick={() => onDecide("deny")}>
              Deny <kbd>d</kbd>
            </button>
          </>
        )}
      </div>
    </li>
  );
}
