/** The people who may log in. */
import { resetSecondFactor } from "../account/api";
import * as api from "../api";
import * as people from "../people/api";
import { chosenRoles, RoleChoices } from "../people/role-choices";
import type { Grant } from "../people/wire";
import { user } from "../session";
import { Confirm } from "../ui/dialog";
import { Field } from "../ui/field";
import { FormDialog, text, trimmed } from "../ui/form";
import { ListPage, type Opened, type RowAction } from "../ui/list-page";
import { useListed, useLoaded } from "../ui/load";
import { Problem } from "../ui/notice";
import { Ago } from "../ui/time";
import { say } from "../ui/toast";
import type { Account } from "../wire";

/** Same as the daemon's own bound for passwords that people choose. */
const SHORTEST_PASSWORD = 8;

function AccountDialog({ account, onClose, onDone }: Opened & { account?: Account }) {
  const roles = useLoaded(() => people.roles());
  const before = account?.grants ?? [];
  const submit = async (data: FormData) => {
    const chosen = chosenRoles(data, before, Date.now());
    const password = text(data, "password");
    if (account) {
      await api.changeUser(account.id, { roles: chosen, ...(password ? { password } : {}) });
    } else {
      const username = trimmed(data, "username");
      const made = await api.addUser({ username, password, roles: [] });
      await api.changeUser(made.id, { roles: chosen });
    }
    say(account ? `${account.username} is changed.` : "The user is added.");
    onDone();
  };
  return (
    <FormDialog
      title={account ? `Change ${account.username}` : "Add a user"}
      action={account ? "Save" : "Add user"}
      unready={!roles.value}
      onClose={onClose}
      submit={submit}
    >
      {!account && (
        <Field
          label="User name"
          name="username"
          required
          autocomplete="off"
          autocapitalize="none"
        />
      )}
      {!account?.guest && (
        <Field
          label={account ? "New password (empty: keep the old one)" : "Password"}
          name="password"
          type="password"
          required={!account}
          minLength={SHORTEST_PASSWORD}
          autocomplete="new-password"
        />
      )}
      {roles.error && <Problem>{roles.error}</Problem>}
      {roles.value && <RoleChoices roles={roles.value.items} given={before} />}
    </FormDialog>
  );
}

const isMe = ({ id }: Account): boolean => id === user.value?.id;

function actions(account: Account): RowAction[] {
  const { id, username, disabled } = account;
  const change: RowAction = {
    words: "Change",
    opens: (at) => <AccountDialog account={account} {...at} />,
  };
  if (isMe(account)) return [change];
  return [
    change,
    {
      words: "Reset second factor",
      label: `Reset the second factor of ${username}`,
      opens: ({ onClose, onDone }) => (
        <Confirm
          title={`Reset the second factor of ${username}?`}
          action="Reset"
          onClose={onClose}
          onConfirm={async () => {
            await resetSecondFactor(id);
            say(`${username} has no second factor any more, and is logged out.`);
            onDone();
          }}
        >
          Their one-time codes, recovery codes and passkeys stop working, and their logins end. Make
          sure that it is really them who asked.
        </Confirm>
      ),
    },
    {
      words: disabled ? "Enable" : "Disable",
      danger: !disabled,
      does: async () => {
        await api.changeUser(id, { disabled: !disabled });
        say(`${username} is ${disabled ? "enabled" : "disabled"}.`);
      },
    },
  ];
}

function GrantBadge({ role, expires_at }: Grant) {
  return (
    <span class="badge">
      {role}
      {expires_at && (
        <>
          {", ends "}
          <Ago at={expires_at} />
        </>
      )}
    </span>
  );
}

export function UsersPage() {
  return (
    <ListPage
      title="Users"
      what="users"
      list={useListed(() => api.users())}
      add={{ words: "Add user", opens: (at) => <AccountDialog {...at} /> }}
      id={({ id }) => id}
      name={({ username }) => username}
      actions={actions}
      columns={[
        {
          head: "Name",
          cell: (account) => (
            <>
              {account.username}
              {isMe(account) && <span class="badge">you</span>}
              {account.guest && <span class="badge">of another tenant</span>}
            </>
          ),
        },
        {
          head: "Roles",
          cell: ({ grants }) => grants.map((grant) => <GrantBadge key={grant.role} {...grant} />),
        },
        {
          head: "Last login",
          cell: ({ last_login_at }) => (last_login_at ? <Ago at={last_login_at} /> : "never"),
        },
        { head: "State", cell: ({ disabled }) => (disabled ? "disabled" : "active") },
      ]}
    />
  );
}
