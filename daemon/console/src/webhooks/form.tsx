/** The dialogs in which a webhook is added or changed, and its secret is shown once. */
import { useBusy } from "../ui/busy";
import { CopyBlock } from "../ui/copy";
import { Dialog } from "../ui/dialog";
import { Problem } from "../ui/notice";
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
  const { busy, error, run } = useBusy();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const body: NewWebhook = {
      name: String(data.get("name") ?? "").trim(),
      url: String(data.get("url") ?? "").trim(),
      topics: data.getAll("topics").map(String),
      enabled: webhook?.enabled ?? true,
    };
    run(async () => {
      if (webhook) {
        await api.changeWebhook(webhook.id, body);
        say(`${body.name} is changed.`);
        onDone();
      } else {
        onDone(await api.addWebhook(body));
      }
    });
  };
  return (
    <Dialog title={webhook ? `Change ${webhook.name}` : "Add a webhook"} onClose={onClose}>
      <form onSubmit={submit}>
        <div class="dialog-body">
          {error && <Problem>{error}</Problem>}
          <label class="field">
            <span>Name</span>
            <input
              name="name"
              required
              maxLength={64}
              autocomplete="off"
              defaultValue={webhook?.name ?? ""}
            />
          </label>
          <label class="field">
            <span>Address</span>
            <input
              name="url"
              type="url"
              required
              pattern="https://.*"
              placeholder="https://hooks.example.com/gangplank"
              autocomplete="off"
              defaultValue={webhook?.url ?? ""}
            />
          </label>
          <fieldset class="choices">
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
        </div>
        <footer class="dialog-foot">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy}>
            {webhook ? "Save" : "Add webhook"}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

export function SecretDialog({ made, onClose }: { made: WebhookSecret; onClose: () => void }) {
  return (
    <Dialog title={`The secret of ${made.name}`} onClose={onClose}>
      <div class="dialog-body">
        <p>
          Give this to the receiver, which checks with it that what comes is ours. It is shown this
          once.
        </p>
        <CopyBlock text={made.secret} what="the secret" />
      </div>
      <footer class="dialog-foot">
        <button type="button" class="primary" onClick={onClose}>
          Done
        </button>
      </footer>
    </Dialog>
  );
}
