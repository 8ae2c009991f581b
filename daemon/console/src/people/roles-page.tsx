/** Roles: what people may do, in bundles. */
import { may } from "../session";
import { Badges } from "../ui/badges";
import { Confirm } from "../ui/dialog";
import { Field } from "../ui/field";
import { FormDialog, trimmed } from "../ui/form";
import { ListPage, type Opened, type RowAction } from "../ui/list-page";
import { useListed } from "../ui/load";
import { say } from "../ui/toast";
import * as api from "./api";
import { PermissionChoices } from "./permission-choices";
import type { Role } from "./wire";

interface DialogProps extends Opened {
  role?: Role;
  permissions: readonly string[];
}

function RoleDialog({ role, permissions, onClose, onDone }: DialogProps) {
  const submit = async (data: FormData) => {
    const chosen = data.getAll("permissions").map(String);
    if (role) await api.changeRole(role.name, chosen);
    else await api.addRole(trimmed(data, "name"), chosen);
    say(role ? `The role ${role.name} is changed.` : "The role is added.");
    onDone();
  };
  return (
    <FormDialog
      title={role ? `Change the role ${role.name}` : "Add a role"}
      action={role ? "Save" : "Add role"}
      onClose={onClose}
      submit={submit}
      wide
    >
      {!role && (
        <Field
          label="Name"
          name="name"
          required
          maxLength={64}
          pattern="[A-Za-z0-9._\-]+"
          title="Letters, digits and - _ ."
          autocomplete="off"
          autocapitalize="none"
        />
      )}
      <PermissionChoices
        legend="What it allows"
        permissions={permissions}
        given={role?.permissions ?? []}
      />
    </FormDialog>
  );
}

/** Nobody changes a role that has more than they have. */
function actions(role: Role, permissions: readonly string[]): RowAction[] {
  if (role.built_in || !role.permissions.every(may)) return [];
  return [
    {
      words: "Change",
      label: `Change the role ${role.name}`,
      opens: (at) => <RoleDialog role={role} permissions={permissions} {...at} />,
    },
    {
      words: "Delete",
      label: `Delete the role ${role.name}`,
      danger: true,
      opens: ({ onClose, onDone }) => (
        <Confirm
          title={`Delete the role ${role.name}?`}
          action="Delete role"
          onClose={onClose}
          onConfirm={async () => {
            await api.deleteRole(role.name);
            onDone();
          }}
        >
          <p>Only a role that nobody has can be deleted.</p>
        </Confirm>
      ),
    },
  ];
}

export function RolesPage() {
  const list = useListed(() => api.roles());
  const permissions = list.first?.permissions ?? [];
  return (
    <ListPage
      title="Roles"
      what="roles"
      list={list}
      add={{ words: "Add role", opens: (at) => <RoleDialog permissions={permissions} {...at} /> }}
      id={({ name }) => name}
      name={({ name }) => name}
      actions={(role) => actions(role, permissions)}
      columns={[
        {
          head: "Name",
          cell: ({ name, built_in }) => (
            <>
              {name}
              {built_in && <span class="badge">built in</span>}
            </>
          ),
        },
        {
          head: "Allows",
          wrap: true,
          cell: (role) => <Badges of={role.permissions} none="nothing" />,
        },
        { head: "Users", cell: ({ users }) => users },
      ]}
    />
  );
}
