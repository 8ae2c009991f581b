/** Tenants, for those who look after them. */
import { useState } from "preact/hooks";
import { user } from "../session";
import { useBusy } from "../ui/busy";
import { Confirm, Dialog } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { complain, say } from "../ui/toast";
import * as api from "./api";
import type { Tenant } from "./wire";

type Asking = { what: "change" | "member" | "delete"; tenant: Tenant } | { what: "add" } | null;

const limit = (value: number | null): string => (value === null ? "" : String(value));

const asLimit = (text: string): number | null => (text.trim() === "" ? null : Number(text));

interface DialogProps {
  tenant?: Tenant;
  onClose: () => void;
  onDone: () => void;
}

function TenantDialog({ tenant, onClose, onDone }: DialogProps) {
  const { busy, error, run } = useBusy();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(data.get(name) ?? "");
    const limits = { max_hosts: asLimit(text("hosts")), max_users: asLimit(text("users")) };
    run(async () => {
      const changed = tenant ?? (await api.addTenant(text("name").trim()));
      await api.changeTenant(changed.id, { name: text("name").trim(), limits });
      say(tenant ? "The tenant is changed." : "The tenant is added. Name its administrator next.");
      onDone();
    });
  };
  return (
    <Dialog title={tenant ? `Change ${tenant.name}` : "Add a tenant"} onClose={onClose}>
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
              defaultValue={tenant?.name ?? ""}
            />
          </label>
          <label class="field">
            <span>Hosts at most (empty: without bound)</span>
            <input
              name="hosts"
              type="number"
              min={0}
              defaultValue={limit(tenant?.limits.max_hosts ?? null)}
            />
          </label>
          <label class="field">
            <span>Users at most (empty: without bound)</span>
            <input
              name="users"
              type="number"
              min={0}
              defaultValue={limit(tenant?.limits.max_users ?? null)}
            />
          </label>
        </div>
        <footer class="dialog-foot">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy}>
            {tenant ? "Save" : "Add tenant"}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function MemberDialog({ tenant, onClose, onDone }: Required<DialogProps>) {
  const { busy, error, run } = useBusy();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const username = String(data.get("username") ?? "").trim();
    const password = String(data.get("password") ?? "");
    run(async () => {
      await api.addMember(tenant.id, { username, ...(password ? { password } : {}) });
      say(`${username} is an administrator of ${tenant.name}.`);
      onDone();
    });
  };
  return (
    <Dialog title={`Name an administrator of ${tenant.name}`} onClose={onClose}>
      <form onSubmit={submit}>
        <div class="dialog-body">
          {error && <Problem>{error}</Problem>}
          <label class="field">
            <span>User name</span>
            <input name="username" required autocomplete="off" autocapitalize="none" />
          </label>
          <label class="field">
            <span>Password (empty: somebody who has a user name here already)</span>
            <input name="password" type="password" minLength={8} autocomplete="new-password" />
          </label>
        </div>
        <footer class="dialog-foot">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy}>
            Name administrator
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

const of = (count: number, most: number | null) => (most === null ? count : `${count} of ${most}`);

interface RowProps {
  tenant: Tenant;
  ask: (what: "change" | "member" | "delete") => void;
  reload: () => void;
}

function Row({ tenant, ask, reload }: RowProps) {
  const own = tenant.id === user.value?.tenant.id;
  const { active, name } = tenant;
  const turn = async () => {
    await api.changeTenant(tenant.id, { active: !active }).catch(complain);
    reload();
  };
  return (
    <tr>
      <th scope="row" class="wrap">
        {name}
        {own && <span class="badge">yours</span>}
      </th>
      <td data-label="Hosts">{of(tenant.hosts, tenant.limits.max_hosts)}</td>
      <td data-label="Users">{of(tenant.users, tenant.limits.max_users)}</td>
      <td data-label="State">{active ? "active" : <span class="badge warn">suspended</span>}</td>
      <td class="actions">
        <button
          type="button"
          class="small"
          aria-label={`Name an administrator of ${name}`}
          onClick={() => ask("member")}
        >
          Administrator
        </button>
        <button
          type="button"
          class="small"
          aria-label={`Change ${name}`}
          onClick={() => ask("change")}
        >
          Change
        </button>
        {!own && (
          <>
            <button
              type="button"
              class="small"
              aria-label={`${active ? "Suspend" : "Activate"} ${name}`}
              onClick={() => void turn()}
            >
              {active ? "Suspend" : "Activate"}
            </button>
            <button
              type="button"
              class="small danger"
              aria-label={`Delete ${name}`}
              onClick={() => ask("delete")}
            >
              Delete
            </button>
          </>
        )}
      </td>
    </tr>
  );
}

export function TenantsPage() {
  const { items, error, more, reload } = useListed((cursor) => api.tenants(cursor));
  const [asking, setAsking] = useState<Asking>(null);
  const close = () => setAsking(null);
  const done = () => {
    close();
    reload();
  };
  const remove = async (tenant: Tenant) => {
    await api
      .deleteTenant(tenant.id)
      .then(() => say(`${tenant.name} is deleted.`))
      .catch(complain);
    done();
  };
  return (
    <div class="page">
      <header class="page-head">
        <h1>Tenants</h1>
        <button type="button" class="primary" onClick={() => setAsking({ what: "add" })}>
          <Icon name="add" /> Add tenant
        </button>
      </header>
      {error && <Problem>{error}</Problem>}
      {!items && !error && <Loading what="tenants" />}
      {items && (
        <table class="stack">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Hosts</th>
              <th scope="col">Users</th>
              <th scope="col">State</th>
              <th scope="col">Change</th>
            </tr>
          </thead>
          <tbody>
            {items.map((tenant) => (
              <Row
                key={tenant.id}
                tenant={tenant}
                ask={(what) => setAsking({ what, tenant })}
                reload={reload}
              />
            ))}
          </tbody>
        </table>
      )}
      {more && (
        <button type="button" onClick={more}>
          More
        </button>
      )}
      {asking?.what === "add" && <TenantDialog onClose={close} onDone={done} />}
      {asking?.what === "change" && (
        <TenantDialog tenant={asking.tenant} onClose={close} onDone={done} />
      )}
      {asking?.what === "member" && (
        <MemberDialog tenant={asking.tenant} onClose={close} onDone={done} />
      )}
      {asking?.what === "delete" && (
        <Confirm
          title={`Delete ${asking.tenant.name}?`}
          action="Delete tenant"
          onClose={close}
          onConfirm={() => void remove(asking.tenant)}
        >
          <p>
            Its people and agents are refused at once, and its {asking.tenant.hosts} hosts, its
            users and all that it has are removed. This can't be taken back.
          </p>
        </Confirm>
      )}
    </div>
  );
}
