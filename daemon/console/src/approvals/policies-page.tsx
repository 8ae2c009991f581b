/** What needs the consent of a second person. */
import { useState } from "preact/hooks";
import { may } from "../session";
import { useBusy } from "../ui/busy";
import { Confirm } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { Link } from "../ui/link";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { complain, say } from "../ui/toast";
import * as api from "./api";
import { RiskMark } from "./card";
import { PolicyDialog } from "./policy-form";
import type { Policy } from "./wire";
import { about, when } from "./words";

type Asking = { what: "edit" | "delete"; policy: Policy } | { what: "add" } | null;

function Delete(props: { policy: Policy; onClose: () => void; onDone: () => void }) {
  const { policy, onClose, onDone } = props;
  const { busy, error, run } = useBusy();
  return (
    <Confirm
      title={`Delete ${policy.name}?`}
      action="Delete this policy"
      busy={busy}
      onClose={onClose}
      onConfirm={() =>
        run(async () => {
          await api.deletePolicy(policy.id);
          say(`${policy.name} is deleted.`);
          onDone();
        })
      }
    >
      {error && <Problem>{error}</Problem>}
      <p>What it is about needs no approval any more. What waits already goes on waiting.</p>
    </Confirm>
  );
}

interface RowProps {
  policy: Policy;
  ask: (what: "edit" | "delete") => void;
  reload: () => void;
}

function Row({ policy, ask, reload }: RowProps) {
  const { id, name, enabled } = policy;
  const turn = async () => {
    await api.changePolicy(id, { enabled: !enabled }).catch(complain);
    reload();
  };
  return (
    <tr>
      <th scope="row" class="wrap">
        {name} {!enabled && <span class="badge">off</span>}
      </th>
      <td data-label="What" class="wrap">
        {about(policy)}
      </td>
      <td data-label="Hosts">
        {policy.labels.map((label) => (
          <span key={label} class="badge">
            {label}
          </span>
        ))}
        {policy.labels.length === 0 && "all"}
      </td>
      <td data-label="Who and when" class="wrap">
        {when(policy)}
      </td>
      <td data-label="Request">
        <RiskMark risk={policy.risk_level} /> for {policy.life}
      </td>
      <td class="actions">
        {may("admin") && (
          <>
            <button
              type="button"
              class="small"
              aria-label={`Switch ${name} ${enabled ? "off" : "on"}`}
              onClick={() => void turn()}
            >
              {enabled ? "Switch off" : "Switch on"}
            </button>
            <button
              type="button"
              class="small"
              aria-label={`Change ${name}`}
              onClick={() => ask("edit")}
            >
              Change
            </button>
            <button
              type="button"
              class="small danger"
              aria-label={`Delete ${name}`}
              onClick={() => ask("delete")}
            >
              Delete
            </button>
          </>
        )}
      </td>
    </tr>
  );
}

export function PoliciesPage() {
  const { items, error, reload } = useListed(() => api.policies());
  const [asking, setAsking] = useState<Asking>(null);
  const close = () => setAsking(null);
  const done = () => {
    close();
    reload();
  };
  return (
    <div class="page">
      <nav aria-label="Place" class="crumbs">
        <Link to="approvals">Approvals</Link> <span aria-hidden="true">/</span>
      </nav>
      <header class="page-head">
        <h1>What needs approval</h1>
        {may("admin") && (
          <button type="button" class="primary" onClick={() => setAsking({ what: "add" })}>
            <Icon name="add" /> Add policy
          </button>
        )}
      </header>
      {error && <Problem>{error}</Problem>}
      {!items && !error && <Loading what="policies" />}
      {items && items.length === 0 && (
        <div class="empty">
          <p>
            Nothing needs approval. Add a policy to have commands, tools or terminals wait until a
            second person agrees.
          </p>
        </div>
      )}
      {items && items.length > 0 && (
        <table class="stack">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">What</th>
              <th scope="col">Hosts</th>
              <th scope="col">Who and when</th>
              <th scope="col">Request</th>
              <th scope="col">
                <span class="unseen">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {items.map((policy) => (
              <Row
                key={policy.id}
                policy={policy}
                ask={(what) => setAsking({ what, policy })}
                reload={reload}
              />
            ))}
          </tbody>
        </table>
      )}
      {asking?.what === "add" && <PolicyDialog onClose={close} onDone={done} />}
      {asking?.what === "edit" && (
        <PolicyDialog policy={asking.policy} onClose={close} onDone={done} />
      )}
      {asking?.what === "delete" && <Delete policy={asking.policy} onClose={close} onDone={done} />}
    </div>
  );
}
