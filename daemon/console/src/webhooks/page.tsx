/** Where events go outside, and what became of them. */
import { useState } from "preact/hooks";
import { useBusy } from "../ui/busy";
import { Confirm } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Ago } from "../ui/time";
import { complain, say } from "../ui/toast";
import * as api from "./api";
import { Deliveries } from "./deliveries";
import { SecretDialog, WebhookDialog } from "./form";
import type { Webhook, WebhookSecret } from "./wire";

type Asking =
  | { what: "add" }
  | { what: "change" | "rotate" | "remove" | "deliveries"; webhook: Webhook }
  | { what: "secret"; made: WebhookSecret }
  | null;

interface RowProps {
  webhook: Webhook;
  ask: (what: "change" | "rotate" | "remove" | "deliveries") => void;
  reload: () => void;
}

function Row({ webhook, ask, reload }: RowProps) {
  const { busy, run } = useBusy();
  const { id, name, url, topics, enabled, created_at, created_by } = webhook;
  const turn = async () => {
    await api.changeWebhook(id, { enabled: !enabled }).catch(complain);
    reload();
  };
  return (
    <tr>
      <th scope="row" class="wrap">
        {name}
        {!enabled && <span class="badge">off</span>}
      </th>
      <td data-label="Address" class="wrap">
        <code>{url}</code>
      </td>
      <td data-label="Sent">
        {topics.map((topic) => (
          <span key={topic} class="badge">
            {topic}
          </span>
        ))}
      </td>
      <td data-label="Added">
        <Ago at={created_at} /> <span class="quiet">by {created_by}</span>
      </td>
      <td class="actions">
        <button type="button" class="small" onClick={() => ask("deliveries")}>
          Deliveries
        </button>
        <button
          type="button"
          class="small"
          disabled={busy}
          aria-label={`${enabled ? "Switch off" : "Switch on"} ${name}`}
          onClick={() => run(turn)}
        >
          {enabled ? "Switch off" : "Switch on"}
        </button>
        <button
          type="button"
          class="small"
          aria-label={`Change ${name}`}
          onClick={() => ask("change")}
        >
          Change
        </button>
        <button
          type="button"
          class="small"
          aria-label={`New secret for ${name}`}
          onClick={() => ask("rotate")}
        >
          New secret
        </button>
        <button
          type="button"
          class="small danger"
          aria-label={`Remove ${name}`}
          onClick={() => ask("remove")}
        >
          Remove
        </button>
      </td>
    </tr>
  );
}

export function WebhooksPage() {
  const { items, error, reload } = useListed(() => api.webhooks());
  const [asking, setAsking] = useState<Asking>(null);
  const { busy, run } = useBusy();
  const close = () => setAsking(null);
  const done = (made?: WebhookSecret) => {
    setAsking(made ? { what: "secret", made } : null);
    reload();
  };
  return (
    <div class="page">
      <header class="page-head">
        <h1>Webhooks</h1>
        <button type="button" class="primary" onClick={() => setAsking({ what: "add" })}>
          <Icon name="add" /> Add webhook
        </button>
      </header>
      {error && <Problem>{error}</Problem>}
      {!items && !error && <Loading what="webhooks" />}
      {items?.length === 0 && (
        <p class="quiet">
          Nothing is sent anywhere yet. A webhook gets events as signed HTTPS requests, in their
          order, and again until it has taken them.
        </p>
      )}
      {items && items.length > 0 && (
        <table class="stack">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Address</th>
              <th scope="col">Sent</th>
              <th scope="col">Added</th>
              <th scope="col">Change</th>
            </tr>
          </thead>
          <tbody>
            {items.map((webhook) => (
              <Row
                key={webhook.id}
                webhook={webhook}
                ask={(what) => setAsking({ what, webhook })}
                reload={reload}
              />
            ))}
          </tbody>
        </table>
      )}
      {asking?.what === "add" && <WebhookDialog onClose={close} onDone={done} />}
      {asking?.what === "change" && (
        <WebhookDialog webhook={asking.webhook} onClose={close} onDone={done} />
      )}
      {asking?.what === "secret" && <SecretDialog made={asking.made} onClose={close} />}
      {asking?.what === "deliveries" && <Deliveries webhook={asking.webhook} onClose={close} />}
      {asking?.what === "rotate" && (
        <Confirm
          title={`Give ${asking.webhook.name} another secret?`}
          action="Make a new secret"
          danger={false}
          busy={busy}
          onClose={close}
          onConfirm={() => run(async () => done(await api.rotateWebhook(asking.webhook.id)))}
        >
          <p>For a day what is sent is signed with both, so that the receiver can change over.</p>
        </Confirm>
      )}
      {asking?.what === "remove" && (
        <Confirm
          title={`Remove ${asking.webhook.name}?`}
          action="Remove"
          busy={busy}
          onClose={close}
          onConfirm={() =>
            run(async () => {
              await api.removeWebhook(asking.webhook.id);
              say(`${asking.webhook.name} is removed.`);
              done();
            })
          }
        >
          <p>What waits to be sent there is given up, and what was sent is forgotten.</p>
        </Confirm>
      )}
    </div>
  );
}
