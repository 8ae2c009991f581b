/** Tenants, for those who look after them. */
import { user } from "../session";
import { Confirm } from "../ui/dialog";
import { FormDialog, text, trimmed } from "../ui/form";
import { ListPage, type Opened, type Opens, type RowAction } from "../ui/list-page";
import { useListed } from "../ui/load";
import { say } from "../ui/toast";
import * as api from "./api";
import type { Tenant } from "./wire";

const asLimit = (written: string): number | null => (written === "" ? null : Number(written));

function Limit({ name, words, most }: { name: string; words: string; most: number | null }) {
  return (
    <label class="field">
      <span>{words} (empty: without bound)</span>
      <input name={name} type="number" min={0} defaultValue={most === null ? "" : String(most)} />
    </label>
  );
}

function TenantDialog({ tenant, onClose, onDone }: Opened & { tenant?: Tenant }) {
  const submit = async (data: FormData) => {
    const name = trimmed(data, "name");
    const limits = {
      max_hosts: asLimit(trimmed(data, "hosts")),
      max_users: asLimit(trimmed(data, "users")),
    };
    const changed = tenant ?? (await api.addTenant(name));
    await api.changeTenant(changed.id, { name, limits });
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
      <Limit name="hosts" words="Hosts at most" most={tenant?.limits.max_hosts ?? null} />
      <Limit name="users" words="Users at most" most={tenant?.limits.max_users ?? null} />
    </FormDialog>
  );
}

const nameAdministrator =
  ({ id, name }: Tenant): Opens =>
  ({ onClose, onDone }) => (
    <FormDialog
      title={`Name an administrator of ${name}`}
      action="Name administrator"
      onClose={onClose}
      submit={async (data) => {
        const [username, password] = [trimmed(data, "username"), text(data, "password")];
        await api.addMember(id, { username, ...(password ? { password } : {}) });
        say(`${username} is an administrator of ${name}.`);
        onDone();
      }}
    >
      <label class="field">
        <span>User name</span>
        <input name="username" required autocomplete="off" autocapitalize="none" />
      </label>
      <label class="field">
        <span>Password (empty: somebody who has a user name here already)</span>
        <input name="password" type="password" minLength={8} autocomplete="new-password" />
      </label>
    </FormDialog>
  );

const remove =
  ({ id, name, hosts }: Tenant): Opens =>
  ({ onClose, onDone }) => (
    <Confirm
      title={`Delete ${name}?`}
      action="Delete tenant"
      onClose={onClose}
      onConfirm={async () => {
        await api.deleteTenant(id);
        say(`${name} is deleted.`);
        onDone();
      }}
    >
      <p>
        Its people and agents are refused at once, and its {hosts} hosts, its users and all that it
        has are removed. This can't be taken back.
      </p>
    </Confirm>
  );

const isOwn = ({ id }: Tenant): boolean => id === user.value?.tenant.id;

function actions(tenant: Tenant): RowAction[] {
  const { id, name, active } = tenant;
  const always: RowAction[] = [
    {
      words: "Administrator",
      label: `Name an administrator of ${name}`,
      opens: nameAdministrator(tenant),
    },
    { words: "Change", opens: (at) => <TenantDialog tenant={tenant} {...at} /> },
  ];
  if (isOwn(tenant)) return always;
  return [
    ...always,
    {
      words: active ? "Suspend" : "Activate",
      does: () => api.changeTenant(id, { active: !active }),
    },
    { words: "Delete", danger: true, opens: remove(tenant) },
  ];
}

const of = (count: number, most: number | null) => (most === null ? count : `${count} of ${most}`);

export function TenantsPage() {
  return (
    <ListPage
      title="Tenants"
      what="tenants"
      list={useListed((cursor) => api.tenants(cursor))}
      add={{ words: "Add tenant", opens: (at) => <TenantDialog {...at} /> }}
      id={({ id }) => id}
      name={({ name }) => name}
      actions={actions}
      columns={[
        {
          head: "Name",
          wrap: true,
          cell: (tenant) => (
            <>
              {tenant.name}
              {isOwn(tenant) && <span class="badge">yours</span>}
            </>
          ),
        },
        { head: "Hosts", cell: ({ hosts, limits }) => of(hosts, limits.max_hosts) },
        { head: "Users", cell: ({ users, limits }) => of(users, limits.max_users) },
        {
          head: "State",
          cell: ({ active }) => (active ? "active" : <span class="badge warn">suspended</span>),
        },
      ]}
    />
  );
}
