/** Roles: what people may do, in bundles. */
import { useState } from "preact/hooks";
import { may } from "../session";
import { useBusy } from "../ui/busy";
import { Confirm, Dialog } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { complain, say } from "../ui/toast";
import * as api from "./api";
import { PermissionChoices } from "./permission-choices";
import type { Role } from "./wire";

interface DialogProps {
  role?: Role;
  permissions: readonly string[];
  onClose: () => void;
  onDone: () => void;
}

function RoleDialog({ role, permissions, onClose, onDone }: DialogProps) {
  const { busy, error, run } = useBusy();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const chosen = data.getAll("permissions").map(String);
    run(async () => {
      if (role) await api.changeRole(role.name, chosen);
      else await api.addRole(String(data.get("name") ?? "").trim(), chosen);
      say(role ? `The role ${role.name} is changed.` : "The role is added.");
      onDone();
    });
  };
  return (
    <Dialog title={role ? `Change the role ${role.name}` : "Add a role"} onClose={onClose} wide>
      <form onSubmit={submit}>
        <div class="dialog-body">
          {error && <Problem>{error}</Problem>}
          {!role && (
            <label class="field">
              <span>Name</span>
              <input
                name="name"
                required
                maxLength={64}
                pattern="[A-Za-z0-9._\-]+"
                title="Letters, digits and - _ ."
                autocomplete="off"
                autocapitalize="none"
              />
            </label>
          )}
          <PermissionChoices
            legend="What it allows"
            permissions={permissions}
            given={role?.permissions ?? []}
          />
        </div>
        <footer class="dialog-foot">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy}>
            {role ? "Save" : "Add role"}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function Row(props: { role: Role; onChange: () => void; onDelete: () => void }) {
  const { role, onChange, onDelete } = props;
  const mine = role.permissions.every(may);
  return (
    <tr>
      <th scope="row">
        {role.name}
        {role.built_in && <span class="badge">built in</span>}
      </th>
      <td data-label="Allows" class="wrap">
        {role.permissions.length === 0 && "nothing"}
        {role.permissions.map((permission) => (
          <span key={permission} class="badge">
            {permission}
          </span>
        ))}
      </td>
      <td data-label="Users">{role.users}</td>
      <td class="actions">
        {!role.built_in && mine && (
          <>
            <button
              type="button"
              class="small"
              aria-label={`Change the role ${role.name}`}
              onClick={onChange}
            >
              Change
            </button>
            <button
              type="button"
              class="small danger"
              aria-label={`Delete the role ${role.name}`}
              onClick={onDelete}
            >
              Delete
            </button>
          </>
        )}
      </td>
    </tr>
  );
}

export function RolesPage() {
  const { items, first, error, reload } = useListed(() => api.roles());
  const [open, setOpen] = useState<Role | "new" | null>(null);
  const [gone, setGone] = useState<Role | null>(null);
  const remove = async (role: Role) => {
    setGone(null);
    await api.deleteRole(role.name).catch(complain);
    reload();
  };
  return (
    <div class="page">
      <header class="page-head">
        <h1>Roles</h1>
        <button type="button" class="primary" onClick={() => setOpen("new")}>
          <Icon name="add" /> Add role
        </button>
      </header>
      {error && <Problem>{error}</Problem>}
      {!items && !error && <Loading what="roles" />}
      {items && (
        <table class="stack">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Allows</th>
              <th scope="col">Users</th>
              <th scope="col">Change</th>
            </tr>
          </thead>
          <tbody>
            {items.map((role) => (
              <Row
                key={role.name}
                role={role}
                onChange={() => setOpen(role)}
                onDelete={() => setGone(role)}
              />
            ))}
          </tbody>
        </table>
      )}
      {open && (
        <RoleDialog
          {...(open === "new" ? {} : { role: open })}
          permissions={first?.permissions ?? []}
          onClose={() => setOpen(null)}
          onDone={() => {
            setOpen(null);
            reload();
          }}
        />
      )}
      {gone && (
        <Confirm
          title={`Delete the role ${gone.name}?`}
          action="Delete role"
          onClose={() => setGone(null)}
          onConfirm={() => void remove(gone)}
        >
          <p>Only a role that nobody has can be deleted.</p>
        </Confirm>
      )}
    </div>
  );
}
