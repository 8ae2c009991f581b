/** Tenants, for those who look after them. */
import { user } from "../session";
import { Confirm } from "../ui/dialog";
import { Field } from "../ui/field";
import { FormDialog, text, trimmed } from "../ui/form";
import { ListPage, type Opens, type RowAction } from "../ui/list-page";
import { useListed } from "../ui/load";
import { say } from "../ui/toast";
import * as api from "./api";
import { TenantDialog } from "./tenant-dialog";
import type { Tenant } from "./wire";

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
      <Field label="User name" name="username" required autocomplete="off" autocapitalize="none" />
      <Field
        label="Password (empty: somebody who has a user name here already)"
        name="password"
        type="password"
        minLength={8}
        autocomplete="new-password"
      />
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
