/** What needs the consent of a second person. */
import { may } from "../session";
import { Badges } from "../ui/badges";
import { Confirm } from "../ui/dialog";
import { ListPage, type RowAction, switching } from "../ui/list-page";
import { useListed } from "../ui/load";
import { say } from "../ui/toast";
import * as api from "./api";
import { RiskMark } from "./card";
import { PolicyDialog } from "./policy-form";
import type { Policy } from "./wire";
import { about, when } from "./words";

const actions = (policy: Policy): RowAction[] => [
  switching(policy, (body) => api.changePolicy(policy.id, body)),
  { words: "Change", opens: (at) => <PolicyDialog policy={policy} {...at} /> },
  {
    words: "Delete",
    danger: true,
    opens: ({ onClose, onDone }) => (
      <Confirm
        title={`Delete ${policy.name}?`}
        action="Delete this policy"
        onClose={onClose}
        onConfirm={async () => {
          await api.deletePolicy(policy.id);
          say(`${policy.name} is deleted.`);
          onDone();
        }}
      >
        <p>What it is about needs no approval any more. What waits already goes on waiting.</p>
      </Confirm>
    ),
  },
];

export function PoliciesPage() {
  const manage = may("admin");
  return (
    <ListPage
      title="What needs approval"
      crumb={{ to: "approvals", words: "Approvals" }}
      what="policies"
      list={useListed(() => api.policies())}
      empty="Nothing needs approval. Add a policy to have commands, tools or terminals wait until a second person agrees."
      add={manage ? { words: "Add policy", opens: (at) => <PolicyDialog {...at} /> } : undefined}
      id={({ id }) => id}
      name={({ name }) => name}
      actions={manage ? actions : undefined}
      columns={[
        {
          head: "Name",
          wrap: true,
          cell: ({ name, enabled }) => (
            <>
              {name} {!enabled && <span class="badge">off</span>}
            </>
          ),
        },
        { head: "What", wrap: true, cell: about },
        { head: "Hosts", cell: ({ labels }) => <Badges of={labels} none="all" /> },
        { head: "Applies", wrap: true, cell: when },
        {
          head: "Request",
          cell: ({ risk_level, life }) => (
            <>
              <RiskMark risk={risk_level} /> for {life}
            </>
          ),
        },
      ]}
    />
  );
}
