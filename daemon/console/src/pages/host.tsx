/** One host: facts, SSH host keys, credentials, changes. */
import { useState } from "preact/hooks";
import * as api from "../api";
import { HostComplianceSection } from "../compliance/host-section";
import { Containers } from "../host/containers";
import { IntegrationsView } from "../host/integrations";
import { forgetHost, hosts, rememberHost } from "../hosts";
import { ReportView } from "../jobs/report-view";
import { RunDialog } from "../jobs/run";
import { go, route } from "../route";
import { may } from "../session";
import { TelemetrySection } from "../telemetry/section";
import { openTerminal } from "../terminal/tabs";
import { ways } from "../terminal/ways";
import { useBusy } from "../ui/busy";
import { CopyBlock } from "../ui/copy";
import { Confirm, Dialog } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { Link } from "../ui/link";
import { Loading, Problem } from "../ui/notice";
import { PresenceMark } from "../ui/presence";
import { Ago, Exact } from "../ui/time";
import { say } from "../ui/toast";
import type { Credentials, Host } from "../wire";
import { HostFields, readHostFields } from "./host-fields";
import { HostKeys, PendingKeys } from "./host-keys";
import { Waiting } from "./waiting";

type Asking = "run" | "edit" | "credentials" | "delete" | null;

/** Such as "version 0.1.0", or "PatchMon 1.4.2". */
function agentName({ agent, status }: Host): string {
  const version = status.agent_version;
  if (agent === "patchmon") return `PatchMon ${version ?? "of a version not said"}`;
  return version ? `version ${version}` : "not seen";
}

function Facts({ host }: { host: Host }) {
  const { status } = host;
  const offered = ways(host);
  return (
    <dl class="facts">
      <dt>State</dt>
      <dd>
        <PresenceMark status={status} />
        {status.reason && <span class="quiet"> {status.reason}</span>}
        {status.since && (
          <span class="quiet">
            {" "}
            <Ago at={status.since} />
          </span>
        )}
      </dd>
      <dt>Address</dt>
      <dd>{host.address === null ? "none" : `${host.address}, port ${host.port}`}</dd>
      {host.gateway_id !== null && (
        <>
          <dt>Gateway</dt>
          <dd>
            <Link to="host" query={{ id: host.gateway_id }}>
              {hosts.value?.get(host.gateway_id)?.friendly_name ?? "another host"}
            </Link>
          </dd>
        </>
      )}
      <dt>Host name</dt>
      <dd>{host.hostname ?? "not reported"}</dd>
      <dt>System</dt>
      <dd>{[host.os, host.os_version, host.arch].filter(Boolean).join(" ") || "not reported"}</dd>
      <dt>Agent</dt>
      <dd>
        {agentName(host)}
        {status.secure === false && <span class="badge warn">link not encrypted</span>}
        {status.rtt_ms !== null && <span class="quiet"> {status.rtt_ms} ms away</span>}
      </dd>
      <dt>Terminals</dt>
      <dd>{offered.map((way) => way.hint).join("; ") || "none offered"}</dd>
      <dt>Labels</dt>
      <dd>
        {host.labels.map((label) => (
          <span key={label} class="badge">
            {label}
          </span>
        ))}
        {host.labels.length === 0 && "none"}
      </dd>
      <dt>Id of its agent</dt>
      <dd class="wrap">
        <code>{host.api_id}</code>
      </dd>
      <dt>Added</dt>
      <dd>
        <Exact at={host.created_at} />
      </dd>
    </dl>
  );
}

function Edit({ host, onClose }: { host: Host; onClose: () => void }) {
  const { busy, error, run } = useBusy();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const fields = readHostFields(event.currentTarget as HTMLFormElement);
    run(async () => {
      const { address, ...rest } = fields;
      const body = address || host.address ? { ...rest, address } : rest;
      rememberHost(await api.changeHost(host.id, body));
      onClose();
    });
  };
  return (
    <Dialog title={`Change ${host.friendly_name}`} onClose={onClose}>
      <form onSubmit={submit}>
        <div class="dialog-body">
          {error && <Problem>{error}</Problem>}
          <HostFields host={host} />
        </div>
        <footer class="dialog-foot">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy}>
            Save
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function NewCredentials({ host, onClose }: { host: Host; onClose: () => void }) {
  const { busy, error, run } = useBusy();
  const [made, setMade] = useState<Credentials | null>(null);
  if (!made) {
    return (
      <Confirm
        title="Make new credentials?"
        action="Make new credentials"
        busy={busy}
        onClose={onClose}
        onConfirm={() => run(async () => setMade(await api.regenerateCredentials(host.id)))}
      >
        {error && <Problem>{error}</Problem>}
        <p>
          The agent of <strong>{host.friendly_name}</strong> is disconnected, and stays out until it
          has the new ones.
        </p>
      </Confirm>
    );
  }
  return (
    <Dialog title="New credentials" onClose={onClose}>
      <div class="dialog-body">
        <p>The key is shown this once.</p>
        <CopyBlock text={made.api_id} what="the id" />
        <CopyBlock text={made.api_key} what="the key" />
      </div>
      <footer class="dialog-foot">
        <button type="button" class="primary" onClick={onClose}>
          Done
        </button>
      </footer>
    </Dialog>
  );
}

function Delete({ host, onClose }: { host: Host; onClose: () => void }) {
  const { busy, error, run } = useBusy();
  return (
    <Confirm
      title={`Delete ${host.friendly_name}?`}
      action="Delete this host"
      busy={busy}
      onClose={onClose}
      onConfirm={() =>
        run(async () => {
          await api.deleteHost(host.id);
          say(`${host.friendly_name} is deleted.`);
          go("hosts", {}, true);
          forgetHost(host.id);
        })
      }
    >
      {error && <Problem>{error}</Problem>}
      <p>
        Its agent is disconnected, its terminals end, and its known keys are forgotten. The agent
        stays installed on the host until you remove it there.
      </p>
    </Confirm>
  );
}

export function HostPage() {
  const [asking, setAsking] = useState<Asking>(null);
  const host = hosts.value?.get(route.value.query.get("id") ?? "");
  if (!host) {
    return (
      <div class="page">
        {hosts.value === null ? (
          <Loading what="this host" />
        ) : (
          <div class="empty">
            <h1>This host does not exist</h1>
            <Link to="hosts" class="button">
              To the hosts
            </Link>
          </div>
        )}
      </div>
    );
  }
  const manage = may("can_manage_hosts");
  const pending = host.status.state === "pending";
  const close = () => setAsking(null);
  return (
    <div class="page narrow">
      <nav aria-label="Place" class="crumbs">
        <Link to="hosts">Hosts</Link> <span aria-hidden="true">/</span>
      </nav>
      <header class="page-head">
        <h1>{host.friendly_name}</h1>
        {manage && !pending && (
          <>
            <button
              type="button"
              class="primary"
              disabled={ways(host).length === 0}
              onClick={() => openTerminal(host)}
            >
              <Icon name="terminal" /> Terminal
            </button>
            <button
              type="button"
              disabled={ways(host).length === 0}
              onClick={() => openTerminal(host, "ask")}
            >
              Connect as …
            </button>
          </>
        )}
        {may("jobs:run") && !pending && (
          <button type="button" onClick={() => setAsking("run")}>
            Run …
          </button>
        )}
      </header>
      {pending && <Waiting host={host} manage={manage} />}
      <PendingKeys host={host} manage={manage} />
      <section>
        <Facts host={host} />
      </section>
      {!pending && <TelemetrySection host={host} />}
      {!pending && <ReportView host={host} />}
      {!pending && may("compliance:read") && <HostComplianceSection host={host} />}
      {!pending && <Containers host={host} />}
      {!pending && <IntegrationsView host={host} />}
      <HostKeys host={host} manage={manage} />
      {manage && (
        <section>
          <h2>Manage</h2>
          <div class="row">
            <button type="button" onClick={() => setAsking("edit")}>
              Change name, address, gateway, labels
            </button>
            <button type="button" onClick={() => setAsking("credentials")}>
              New agent credentials
            </button>
            <button type="button" class="danger" onClick={() => setAsking("delete")}>
              Delete
            </button>
          </div>
        </section>
      )}
      {asking === "run" && <RunDialog host={host} onClose={close} />}
      {asking === "edit" && <Edit host={host} onClose={close} />}
      {asking === "credentials" && <NewCredentials host={host} onClose={close} />}
      {asking === "delete" && <Delete host={host} onClose={close} />}
    </div>
  );
}
