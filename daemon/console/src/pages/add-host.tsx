/** Adding a host: with the agent, watched live, or by its address alone. */
import { useEffect, useState } from "preact/hooks";
import * as api from "../api";
import { hosts, onHostEvent, rememberHost } from "../hosts";
import { follow, type Install, startInstall, stepOf } from "../install";
import { openTerminal } from "../terminal/tabs";
import { useBusy } from "../ui/busy";
import { CopyBlock } from "../ui/copy";
import { Dialog } from "../ui/dialog";
import { DialogForm } from "../ui/form";
import { Link } from "../ui/link";
import { useLoaded } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import type { Host } from "../wire";
import { goodFor, KeyForm, ONE_HOST } from "./enrolment-key";
import { HostFields, readHostFields } from "./host-fields";

export function AddHost({ onClose }: { onClose: () => void }) {
  const [way, setWay] = useState<"agent" | "address">("agent");
  return (
    <Dialog title="Add a host" onClose={onClose} wide>
      <fieldset class="choices dialog-choices">
        <legend class="unseen">How</legend>
        <label class="choice">
          <input
            type="radio"
            name="how"
            checked={way === "agent"}
            onChange={() => setWay("agent")}
          />
          With the agent
        </label>
        <label class="choice">
          <input
            type="radio"
            name="how"
            checked={way === "address"}
            onChange={() => setWay("address")}
          />
          By its address (SSH)
        </label>
      </fieldset>
      {way === "agent" ? <WithAgent onClose={onClose} /> : <ByAddress onClose={onClose} />}
    </Dialog>
  );
}

const STEPS = [
  { step: "waiting", title: "Waiting for the host" },
  { step: "connected", title: "Connected" },
  { step: "reported", title: "First report" },
] as const;

function Steps({ install }: { install: Install }) {
  const step = stepOf(install);
  const at = step === "reported" ? 2 : step === "connected" ? 1 : 0;
  const done = step === "reported";
  return (
    <ol class="steps">
      {STEPS.map(({ step: name, title }, index) => {
        const state = index < at || done ? "done" : index === at ? "now" : "later";
        return (
          <li key={name} class={state} aria-current={state === "now" ? "step" : undefined}>
            <span class="step-mark" aria-hidden="true" />
            {title}
          </li>
        );
      })}
    </ol>
  );
}

const SAID = {
  waiting: "Waiting for the host to connect.",
  pending: "The host is here and waits to be accepted.",
  connected: "The host is connected. Its first report is on the way.",
  reported: "The host is connected and has reported.",
} as const;

function WithAgent({ onClose }: { onClose: () => void }) {
  const [wanted, setWanted] = useState(ONE_HOST);
  const enrolment = useLoaded(() => api.enrolmentToken(wanted), JSON.stringify(wanted));
  const [install, setInstall] = useState(() => startInstall(hosts.value?.keys() ?? []));
  useEffect(() => onHostEvent((event) => setInstall((before) => follow(before, event))), []);
  const { host } = install;
  const step = stepOf(install);
  return (
    <>
      <div class="dialog-body">
        {enrolment.error && (
          <Problem>
            No install line could be made: {enrolment.error}{" "}
            <button type="button" class="small" onClick={enrolment.reload}>
              Try again
            </button>
          </Problem>
        )}
        {!enrolment.value && !enrolment.error && <Loading what="the install line" />}
        {enrolment.value && (
          <>
            <p>Run this on the host, as root. {goodFor(wanted)}</p>
            <CopyBlock text={enrolment.value.install.command} what="the install line" />
            <details>
              <summary>Step by step, and how to check the certificate</summary>
              <p>The fingerprint of this daemon's certificate authority:</p>
              <CopyBlock text={enrolment.value.install.ca_fingerprint} what="the fingerprint" />
              <pre class="manual">{enrolment.value.install.manual}</pre>
            </details>
          </>
        )}
        <KeyForm wanted={wanted} make={setWanted} />
        <Steps install={install} />
        <p role="status" class="quiet">
          {host && <strong>{host.friendly_name}: </strong>}
          {SAID[step]}
        </p>
      </div>
      <footer class="dialog-foot">
        {host && step === "pending" && !host.same_as && <AcceptButton host={host} />}
        {host && step === "pending" && host.same_as && (
          <Link to="host" query={{ id: host.id }} class="button primary">
            It says that it is known: decide …
          </Link>
        )}
        <button type="button" onClick={onClose}>
          {step === "reported" ? "Done" : "Close"}
        </button>
        {host && (step === "connected" || step === "reported") && (
          <button
            type="button"
            class="primary"
            onClick={() => {
              onClose();
              openTerminal(hosts.value?.get(host.id) ?? host);
            }}
          >
            Open a terminal
          </button>
        )}
      </footer>
    </>
  );
}

function AcceptButton({ host }: { host: Host }) {
  const { busy, run } = useBusy();
  return (
    <button
      type="button"
      class="primary"
      disabled={busy}
      onClick={() => run(async () => rememberHost(await api.acceptHost(host.id)))}
    >
      Accept this host
    </button>
  );
}

function ByAddress({ onClose }: { onClose: () => void }) {
  return (
    <DialogForm
      action="Add host"
      onClose={onClose}
      submit={async (data) => {
        const { address, ...rest } = readHostFields(data);
        const { id } = await api.addHost({ ...rest, ...(address ? { address } : {}) });
        rememberHost(await api.host(id));
        onClose();
      }}
    >
      <HostFields addressRequired />
      <p class="quiet">
        The daemon opens SSH to this address; nothing has to be installed on the host.
      </p>
    </DialogForm>
  );
}
