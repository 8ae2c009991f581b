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
import { Badges } from "../ui/badges";
import { CopyBlock } from "../ui/copy";
import { Crumbs } from "../ui/crumbs";
import { Confirm, Shown } from "../ui/dialog";
import { FormDialog } from "../ui/form";
import { Icon } from "../ui/icon";
import { Link } from "../ui/link";
import { Loading } from "../ui/notice";
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
        <Badges of={host.labels} none="none" />
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
  return (
    <FormDialog
      title={`Change ${host.friendly_name}`}
      action="Save"
      onClose={onClose}
      submit={async (data) => {
        const { address, ...rest } = readHostFields(data);
        const body = address || host.address ? { ...rest, address } : rest;
        rememberHost(await api.changeHost(host.id, body));
        onClose();
      }}
    >
      <HostFields host={host} />
    </FormDialog>
  );
}

function NewCredentials({ host, onClose }: { host: Host; onClose: () => void }) {
  const [made, setMade] = useState<Credentials | null>(null);
  if (!made) {
    return (
      <Confirm
        title="Make new credentials?"
        action="Make new credentials"
        onClose={onClose}
        onConfirm={async () => setMade(await api.regenerateCredentials(host.id))}
      >
        <p>
          The agent of <strong>{host.friendly_name}</strong> is disconnected, and stays out until it
          has the new ones.
        </p>
      </Confirm>
    );
  }
  return (
    <Shown title="New credentials" onClose={onClose}>
      <p>The key is shown this once.</p>
      <CopyBlock text={made.api_id} what="the id" />
      <CopyBlock text={made.api_key} what="the key" />
    </Shown>
  );
}

function Delete({ host, onClose }: { host: Host; onClose: () => void }) {
  return (
    <Confirm
      title={`Delete ${host.friendly_name}?`}
      action="Delete this host"
      onClose={onClose}
      onConfirm={async () => {
        await api.deleteHost(host.id);
        say(`${host.friendly_name} is deleted.`);
        go("hosts", {}, true);
        forgetHost(host.id);
      }}
    >
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
      <Crumbs to="hosts" words="Hosts" />
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
