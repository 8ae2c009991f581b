/** The people who may log in. */
import { useState } from "preact/hooks";
import { resetSecondFactor } from "../account/api";
import * as api from "../api";
import * as people from "../people/api";
import { chosenRoles, RoleChoices } from "../people/role-choices";
import { user } from "../session";
import { useBusy } from "../ui/busy";
import { Confirm, Dialog } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { useListed, useLoaded } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Ago } from "../ui/time";
import { complain, say } from "../ui/toast";
import type { Account } from "../wire";

/** Same as the daemon's own bound for passwords that people choose. */
const SHORTEST_PASSWORD = 8;

function AccountDialog(props: { account?: Account; onClose: () => void; onDone: () => void }) {
  const { account, onClose, onDone } = props;
  const { busy, error, run } = useBusy();
  const roles = useLoaded(() => people.roles());
  const before = account?.grants ?? [];
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(data.get(name) ?? "");
    const chosen = chosenRoles(data, before, Date.now());
    const password = text("password");
    run(async () => {
      if (account) {
        await api.changeUser(account.id, { roles: chosen, ...(password ? { password } : {}) });
      } else {
        const made = await api.addUser({ username: text("username").trim(), password, roles: [] });
        await api.changeUser(made.id, { roles: chosen });
      }
      say(account ? `${account.username} is changed.` : "The user is added.");
      onDone();
    });
  };
  return (
    <Dialog title={account ? `Change ${account.username}` : "Add a user"} onClose={onClose}>
      <form onSubmit={submit}>
        <div class="dialog-body">
          {error && <Problem>{error}</Problem>}
          {!account && (
            <label class="field">
              <span>User name</span>
              <input name="username" required autocomplete="off" autocapitalize="none" />
            </label>
          )}
          {!account?.guest && (
            <label class="field">
              <span>{account ? "New password (empty: keep the old one)" : "Password"}</span>
              <input
                name="password"
                type="password"
                required={!account}
                minLength={SHORTEST_PASSWORD}
                autocomplete="new-password"
              />
            </label>
          )}
          {roles.error && <Problem>{roles.error}</Problem>}
          {roles.value && <RoleChoices roles={roles.value.items} given={before} />}
        </div>
        <footer class="dialog-foot">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy || !roles.value}>
            {account ? "Save" : "Add user"}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

export function UsersPage() {
  const { items, error, reload } = useListed(() => api.users());
  const [open, setOpen] = useState<Account | "new" | null>(null);
  const [resetting, setResetting] = useState<Account | null>(null);
  const disable = async (account: Account) => {
    try {
      await api.changeUser(account.id, { disabled: !account.disabled });
      say(`${account.username} is ${account.disabled ? "enabled" : "disabled"}.`);
      reload();
    } catch (problem) {
      complain(problem);
    }
  };
  const reset = async (account: Account) => {
    try {
      await resetSecondFactor(account.id);
      say(`${account.username} has no second factor any more, and is logged out.`);
    } catch (problem) {
      complain(problem);
    }
    setResetting(null);
  };
  return (
    <div class="page">
      <header class="page-head">
        <h1>Users</h1>
        <button type="button" class="primary" onClick={() => setOpen("new")}>
          <Icon name="add" /> Add user
        </button>
      </header>
      {error && <Problem>{error}</Problem>}
      {!items && !error && <Loading what="users" />}
      {items && (
        <table class="stack">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Roles</th>
              <th scope="col">Last login</th>
              <th scope="col">State</th>
              <th scope="col">Change</th>
            </tr>
          </thead>
          <tbody>
            {items.map((account) => (
              <tr key={account.id}>
                <th scope="row">
                  {account.username}
                  {account.id === user.value?.id && <span class="badge">you</span>}
                  {account.guest && <span class="badge">of another tenant</span>}
                </th>
                <td data-label="Roles">
                  {account.grants.map(({ role, expires_at }) => (
                    <span key={role} class="badge">
                      {role}
                      {expires_at && (
                        <>
                          {", ends "}
                          <Ago at={expires_at} />
                        </>
                      )}
                    </span>
                  ))}
                </td>
                <td data-label="Last login">
                  {account.last_login_at ? <Ago at={account.last_login_at} /> : "never"}
                </td>
                <td data-label="State">{account.disabled ? "disabled" : "active"}</td>
                <td class="actions">
                  <button
                    type="button"
                    class="small"
                    aria-label={`Change ${account.username}`}
                    onClick={() => setOpen(account)}
                  >
                    Change
                  </button>
                  {account.id !== user.value?.id && (
                    <button
                      type="button"
                      class="small"
                      aria-label={`Reset the second factor of ${account.username}`}
                      onClick={() => setResetting(account)}
                    >
                      Reset second factor
                    </button>
                  )}
                  {account.id !== user.value?.id && (
                    <button
                      type="button"
                      class={account.disabled ? "small" : "small danger"}
                      aria-label={`${account.disabled ? "Enable" : "Disable"} ${account.username}`}
                      onClick={() => void disable(account)}
                    >
                      {account.disabled ? "Enable" : "Disable"}
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {resetting && (
        <Confirm
          title={`Reset the second factor of ${resetting.username}?`}
          action="Reset"
          onConfirm={() => void reset(resetting)}
          onClose={() => setResetting(null)}
        >
          Their one-time codes, recovery codes and passkeys stop working, and their logins end. Make
          sure that it is really them who asked.
        </Confirm>
      )}
      {open && (
        <AccountDialog
          {...(open === "new" ? {} : { account: open })}
          onClose={() => setOpen(null)}
          onDone={() => {
            setOpen(null);
            reload();
          }}
        />
      )}
    </div>
  );
}
