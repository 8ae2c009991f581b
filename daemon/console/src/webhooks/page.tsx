/** Where events go outside, and what became of them. */
import { Badges } from "../ui/badges";
import { Confirm } from "../ui/dialog";
import { ListPage, type Opens, type RowAction, switching } from "../ui/list-page";
import { useListed } from "../ui/load";
import { Ago } from "../ui/time";
import { say } from "../ui/toast";
import * as api from "./api";
import { Deliveries } from "./deliveries";
import { SecretDialog, WebhookDialog } from "./form";
import type { Webhook, WebhookSecret } from "./wire";

const secret =
  (made: WebhookSecret): Opens =>
  ({ onClose }) => <SecretDialog made={made} onClose={onClose} />;

const form =
  (webhook?: Webhook): Opens =>
  ({ onClose, onDone }) => (
    <WebhookDialog
      {...(webhook ? { webhook } : {})}
      onClose={onClose}
      onDone={(made) => onDone(made && secret(made))}
    />
  );

const actions = (webhook: Webhook): RowAction[] => [
  {
    words: "Deliveries",
    label: `Deliveries to ${webhook.name}`,
    opens: ({ onClose }) => <Deliveries webhook={webhook} onClose={onClose} />,
  },
  switching(webhook, (body) => api.changeWebhook(webhook.id, body)),
  { words: "Change", opens: form(webhook) },
  {
    words: "New secret",
    label: `New secret for ${webhook.name}`,
    opens: ({ onClose, onDone }) => (
      <Confirm
        title={`Give ${webhook.name} another secret?`}
        action="Make a new secret"
        danger={false}
        onClose={onClose}
        onConfirm={async () => onDone(secret(await api.rotateWebhook(webhook.id)))}
      >
        <p>For a day what is sent is signed with both, so that the receiver can change over.</p>
      </Confirm>
    ),
  },
  {
    words: "Remove",
    danger: true,
    opens: ({ onClose, onDone }) => (
      <Confirm
        title={`Remove ${webhook.name}?`}
        action="Remove"
        onClose={onClose}
        onConfirm={async () => {
          await api.removeWebhook(webhook.id);
          say(`${webhook.name} is removed.`);
          onDone();
        }}
      >
        <p>What waits to be sent there is given up, and what was sent is forgotten.</p>
      </Confirm>
    ),
  },
];

export function WebhooksPage() {
  return (
    <ListPage
      title="Webhooks"
      what="webhooks"
      list={useListed(() => api.webhooks())}
      empty="Nothing is sent anywhere yet. A webhook gets events as signed HTTPS requests, in their order, and again until it has taken them."
      add={{ words: "Add webhook", opens: form() }}
      id={({ id }) => id}
      name={({ name }) => name}
      actions={actions}
      columns={[
        {
          head: "Name",
          wrap: true,
          cell: ({ name, enabled }) => (
            <>
              {name}
              {!enabled && <span class="badge">off</span>}
            </>
          ),
        },
        { head: "Address", wrap: true, cell: ({ url }) => <code>{url}</code> },
        { head: "Sent", cell: ({ topics }) => <Badges of={topics} /> },
        {
          head: "Added",
          cell: ({ created_at, created_by }) => (
            <>
              <Ago at={created_at} /> <span class="quiet">by {created_by}</span>
            </>
          ),
        },
      ]}
    />
  );
}
