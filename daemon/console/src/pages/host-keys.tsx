/** The SSH host keys known for a host, and those that wait for a person. */
import { useState } from "preact/hooks";
import * as api from "../api";
import { rememberHost } from "../hosts";
import { useBusy } from "../ui/busy";
import { Confirm } from "../ui/dialog";
import { useLoaded } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Ago } from "../ui/time";
import { say } from "../ui/toast";
import type { Host, HostKey } from "../wire";

/** The agent reports other keys than before: a person says whether that is right. */
export function PendingKeys({ host, manage }: { host: Host; manage: boolean }) {
  const { busy, error, run } = useBusy();
  const pending = host.host_keys_pending ?? [];
  if (pending.length === 0) return null;
  const accept = async () => {
    await api.acceptAttestedKeys(
      host.id,
      pending.map((key) => key.fingerprint),
    );
    rememberHost(await api.host(host.id));
    say("The new host keys are accepted.");
  };
  return (
    <div class="notice warn">
      <p>
        <strong>This host reports other SSH keys than before.</strong> That is right after a
        reinstallation, and else a reason to ask. Until they are accepted, SSH to it is refused.
      </p>
      {error && <Problem>{error}</Problem>}
      <ul class="keys">
        {pending.map((key) => (
          <li key={key.fingerprint}>
            <span>{key.key_type}</span> <code class="wrap">{key.fingerprint}</code>
          </li>
        ))}
      </ul>
      {manage && (
        <button type="button" class="primary" disabled={busy} onClick={() => run(accept)}>
          Accept the new keys
        </button>
      )}
    </div>
  );
}

export function HostKeys({ host, manage }: { host: Host; manage: boolean }) {
  const [removing, setRemoving] = useState<HostKey | null>(null);
  // Loaded again when the agent's keys may have become others.
  const shape = (host.host_keys_pending ?? []).map((key) => key.fingerprint).join();
  const { value, error, reload } = useLoaded(
    () => api.hostKeys(host.id),
    `${host.id} ${shape} ${host.first_report_at}`,
  );
  const remove = async (key: HostKey) => {
    await api.removeHostKey(host.id, key.id);
    setRemoving(null);
    reload();
  };
  return (
    <section>
      <h2>SSH host keys</h2>
      {error && <Problem>{error}</Problem>}
      {!value && !error && <Loading what="host keys" />}
      {value?.items.length === 0 && (
        <p class="quiet">None yet. The agent reports its host's keys; others are asked for once.</p>
      )}
      {value && value.items.length > 0 && (
        <ul class="keys">
          {value.items.map((key) => (
            <li key={key.id}>
              <div class="key">
                <span>
                  {key.key_type} <span class="quiet">for {key.target}</span>
                </span>
                <code class="wrap">{key.fingerprint}</code>
                <span class="quiet">
                  {key.source === "attested" ? "reported by the agent" : "accepted by a person"}{" "}
                  <Ago at={key.added_at} />
                </span>
              </div>
              {manage && (
                <button
                  type="button"
                  class="small"
                  aria-label={`Remove the key ${key.fingerprint}`}
                  onClick={() => setRemoving(key)}
                >
                  Remove
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      {removing && (
        <Confirm
          title="Remove this host key?"
          action="Remove"
          onClose={() => setRemoving(null)}
          onConfirm={() => remove(removing)}
        >
          <p>
            The next connection to <strong>{removing.target}</strong> asks whether the key that it
            finds is the right one.
          </p>
          <p class="wrap">
            <code>{removing.fingerprint}</code>
          </p>
        </Confirm>
      )}
    </section>
  );
}
