/** The fields of a host that people fill in. */
import { hosts, sortedHosts } from "../hosts";
import { Field } from "../ui/field";
import { trimmed } from "../ui/form";
import type { Host } from "../wire";

export interface HostValues {
  friendly_name: string;
  address: string;
  port: number;
  gateway_id: string | null;
  labels: string[];
}

/** Labels are written with commas or spaces between them. */
export const parseLabels = (text: string): string[] => [
  ...new Set(text.split(/[\s,]+/).filter((label) => label !== "")),
];

export function readHostFields(data: FormData): HostValues {
  const text = (name: string) => trimmed(data, name);
  return {
    friendly_name: text("friendly_name"),
    address: text("address"),
    port: Number(text("port")) || 22,
    gateway_id: text("gateway_id") || null,
    labels: parseLabels(text("labels")),
  };
}

/** The hosts that can be the gateway of this one: there is one step at most. */
function gatewaysFor(host: Host | undefined): Host[] {
  const isGateway = [...(hosts.value?.values() ?? [])].some((one) => one.gateway_id === host?.id);
  if (host && isGateway) return [];
  return sortedHosts.value.filter((one) => one.id !== host?.id && one.gateway_id === null);
}

function GatewayField({ host }: { host: Host | undefined }) {
  return (
    <label class="field">
      <span>Gateway</span>
      <select name="gateway_id">
        <option value="">none: the daemon dials the address itself</option>
        {gatewaysFor(host).map((gateway) => (
          // The choice is the person's from then on, whatever is told of hosts meanwhile.
          <option key={gateway.id} value={gateway.id} selected={gateway.id === host?.gateway_id}>
            {gateway.friendly_name}
          </option>
        ))}
      </select>
    </label>
  );
}

export function HostFields({ host, addressRequired }: { host?: Host; addressRequired?: boolean }) {
  return (
    <>
      <Field
        label="Name"
        name="friendly_name"
        required
        maxLength={255}
        defaultValue={host?.friendly_name ?? ""}
        autocomplete="off"
        spellcheck={false}
      />
      <div class="row">
        <Field
          label="Address"
          grow
          name="address"
          required={addressRequired ?? false}
          defaultValue={host?.address ?? ""}
          placeholder="name or IP address"
          autocomplete="off"
          spellcheck={false}
        />
        <label class="field port">
          <span>SSH port</span>
          <input name="port" type="number" min={1} max={65_535} defaultValue={host?.port ?? 22} />
        </label>
      </div>
      <GatewayField host={host} />
      <Field
        label="Labels"
        name="labels"
        defaultValue={host?.labels.join(", ") ?? ""}
        placeholder="web, production"
        autocomplete="off"
        spellcheck={false}
      />
    </>
  );
}
