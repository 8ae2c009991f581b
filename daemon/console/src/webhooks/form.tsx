/** The dialogs in which a webhook is added or changed, and its secret is shown once. */
import { CopyBlock } from "../ui/copy";
import { Shown } from "../ui/dialog";
import { Field } from "../ui/field";
import { FormDialog, trimmed } from "../ui/form";
import { say } from "../ui/toast";
import * as api from "./api";
import type { NewWebhook, Webhook, WebhookSecret } from "./wire";

/** What can be sent, with what it is for people. */
const TOPICS: readonly (readonly [string, string])[] = [
  ["alerts", "Alerts"],
  ["security", "Security"],
  ["hosts", "Hosts"],
  ["jobs", "Jobs"],
  ["vpn", "Terminals and tunnels"],
  ["approvals", "Approvals"],
  ["receipts", "Receipts of cases"],
  ["agent_thoughts", "Steps of investigators"],
];

interface FormProps {
  webhook?: Webhook;
  onClose: () => void;
  onDone: (made?: WebhookSecret) => void;
}

export function WebhookDialog({ webhook, onClose, onDone }: FormProps) {
  const submit = async (data: FormData) => {
    const body: NewWebhook = {
      name: trimmed(data, "name"),
      url: trimmed(data, "url"),
      topics: data.getAll("topics").map(String),
      enabled: webhook?.enabled ?? true,
    };
    if (!webhook) {
      onDone(await api.addWebhook(body));
      return;
    }
    await api.changeWebhook(webhook.id, body);
    say(`${body.name} is changed.`);
    onDone();
  };
  return (
    <FormDialog
      title={webhook ? `Change ${webhook.name}` : "Add a webhook"}
      action={webhook ? "Save" : "Add webhook"}
      onClose={onClose}
      submit={submit}
    >
      <Field
        label="Name"
        name="name"
        required
        maxLength={64}
        autocomplete="off"
        defaultValue={webhook?.name ?? ""}
      />
      <Field
        label="Address"
        name="url"
        type="url"
        required
        pattern="https://.*"
        placeholder="https://hooks.example.com/gangplank"
        autocomplete="off"
        defaultValue={webhook?.url ?? ""}
      />
      <fieldset class="choices many">
        <legend>What is sent there</legend>
        {TOPICS.map(([topic, words]) => (
          <label key={topic} class="choice">
            <input
              type="checkbox"
              name="topics"
              value={topic}
              defaultChecked={webhook ? webhook.topics.includes(topic) : topic === "alerts"}
            />
            {words}
          </label>
        ))}
      </fieldset>
    </FormDialog>
  );
}

export function SecretDialog({ made, onClose }: { made: WebhookSecret; onClose: () => void }) {
  return (
    <Shown title={`The secret of ${made.name}`} onClose={onClose}>
      <p>
        Give this to the receiver, which checks with it that what comes is ours. It is shown this
        once.
      </p>
      <CopyBlock text={made.secret} what="the secret" />
    </Shown>
  );
}
