/** What a tenant is called, how much it may have, and how long it may keep it. */
import { Field } from "../ui/field";
import { FormDialog, trimmed } from "../ui/form";
import type { Opened } from "../ui/list-page";
import { useLoaded } from "../ui/load";
import { Problem } from "../ui/notice";
import { say } from "../ui/toast";
import * as api from "./api";
import { NOTHING_SAID, readKeeping } from "./keeping";
import { KeepingFields } from "./keeping-fields";
import { LIMITS, type Limits, type Tenant } from "./wire";

const LABELS: Readonly<Record<keyof Limits, string>> = {
  max_hosts: "Hosts at most",
  max_users: "Users at most",
  max_terminals: "Terminals at most",
  max_subscribers: "Sockets that follow one topic, at most",
  max_rows_per_minute: "Rows that devices send in a minute, at most",
  max_bytes_per_minute: "Bytes that devices send in a minute, at most",
};

function readLimits(data: FormData): Limits {
  const number = (name: string) => {
    const written = trimmed(data, name);
    return written === "" ? null : Number(written);
  };
  return Object.fromEntries(LIMITS.map((name) => [name, number(name)])) as unknown as Limits;
}

export function TenantDialog({ tenant, onClose, onDone }: Opened & { tenant?: Tenant }) {
  const { value, error } = useLoaded(async () => (tenant ? await api.tenant(tenant.id) : null));
  const kept = value?.retention;
  const submit = async (data: FormData) => {
    const name = trimmed(data, "name");
    // What was not shown is not said again.
    const retention = kept || !tenant ? { retention: readKeeping(data) } : {};
    const changed = tenant ?? (await api.addTenant(name));
    await api.changeTenant(changed.id, { name, limits: readLimits(data), ...retention });
    say(tenant ? "The tenant is changed." : "The tenant is added. Name its administrator next.");
    onDone();
  };
  return (
    <FormDialog
      title={tenant ? `Change ${tenant.name}` : "Add a tenant"}
      action={tenant ? "Save" : "Add tenant"}
      onClose={onClose}
      submit={submit}
    >
      {error && <Problem>{error}</Problem>}
      <Field
        label="Name"
        name="name"
        required
        maxLength={64}
        autocomplete="off"
        defaultValue={tenant?.name ?? ""}
      />
      <details>
        <summary>Limits (empty: none of its own)</summary>
        {LIMITS.map((limit) => (
          <Field
            key={limit}
            label={LABELS[limit]}
            name={limit}
            type="number"
            min={0}
            max={4294967295}
            defaultValue={tenant?.limits[limit] ?? ""}
          />
        ))}
      </details>
      {(kept || !tenant) && (
        <details>
          <summary>How long it may keep things (empty: as the daemon is configured)</summary>
          <KeepingFields said={kept?.granted ?? NOTHING_SAID} />
        </details>
      )}
    </FormDialog>
  );
}
