/** A host that waits until somebody accepts it. */
import * as api from "../api";
import { forgetHost, hosts, rememberHost } from "../hosts";
import { go } from "../route";
import { useBusy } from "../ui/busy";
import { Notice, Problem } from "../ui/notice";
import type { Host } from "../wire";

export function Waiting({ host, manage }: { host: Host; manage: boolean }) {
  const { busy, error, run } = useBusy();
  const known = host.same_as ? hosts.value?.get(host.same_as) : undefined;
  const accept = (inPlace: boolean) =>
    run(async () => {
      const accepted = await api.acceptHost(host.id, inPlace);
      rememberHost(accepted);
      if (accepted.id === host.id) return;
      go("host", { id: accepted.id }, true);
      forgetHost(host.id);
    });
  return (
    <Notice>
      {error && <Problem>{error}</Problem>}
      <p>
        This host has registered and waits. Accept it only if you know that it is yours: look at its
        name, and at who installed it.
      </p>
      {known && (
        <p>
          It says that it is the machine of <strong>{known.friendly_name}</strong>, and did not
          bring that host's key. If that machine was installed anew, let it in as that host: the key
          from before is void then. If it is a copy of that machine, it is another host.
        </p>
      )}
      {manage && (
        <div class="row">
          {known && (
            <button type="button" class="primary" disabled={busy} onClick={() => accept(true)}>
              It is {known.friendly_name}, installed anew
            </button>
          )}
          <button
            type="button"
            class={known ? "" : "primary"}
            disabled={busy}
            onClick={() => accept(false)}
          >
            {known ? "Accept as another host" : "Accept this host"}
          </button>
        </div>
      )}
    </Notice>
  );
}
