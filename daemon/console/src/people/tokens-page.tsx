/** API tokens: what people let their programs do. */
import { useState } from "preact/hooks";
import { may, user } from "../session";
import { Badges } from "../ui/badges";
import { CopyBlock } from "../ui/copy";
import { Confirm, Shown } from "../ui/dialog";
import { Field } from "../ui/field";
import { FormDialog, text, trimmed } from "../ui/form";
import { ListPage, type Opened, type Opens, type RowAction } from "../ui/list-page";
import { useListed } from "../ui/load";
import { Ago } from "../ui/time";
import { say } from "../ui/toast";
import * as api from "./api";
import { PermissionChoices } from "./permission-choices";
import type { ApiToken, NewApiToken } from "./wire";

/** What a token may be made for, out of what its maker has. */
const SCOPES: readonly string[] = [
  "hosts:read",
  "can_manage_hosts",
  "jobs:read",
  "jobs:run",
  "compliance:read",
  "channels:publish",
  "ws:security",
  "ws:vpn",
  "ws:alerts",
  "ws:agent_thoughts",
  "approvals:manage",
  "cases:read",
  "alerts:manage",
  "audit:read",
  "users:manage",
  "tokens:manage",
  "tenants:manage",
  "admin",
];

const LIVES: readonly (readonly [string, string])[] = [
  ["1d", "a day"],
  ["7d", "a week"],
  ["30d", "30 days"],
  ["90d", "90 days"],
  ["366d", "a year"],
];

const shown =
  (made: NewApiToken): Opens =>
  ({ onClose }) => (
    <Shown title={`The token ${made.name}`} onClose={onClose}>
      <p>Copy it now: it is shown only this once.</p>
      <CopyBlock text={made.token} what="the token" />
      <p class="quiet">
        Programs send it as <code>Authorization: Bearer …</code>. It ends{" "}
        <Ago at={made.expires_at} />.
      </p>
    </Shown>
  );

function TokenDialog({ onClose, onDone }: Opened) {
  const submit = async (data: FormData) => {
    const scopes = data.getAll("permissions").map(String);
    const wanted = { name: trimmed(data, "name"), scopes, expires: text(data, "expires") };
    onDone(shown(await api.addToken(wanted)));
  };
  return (
    <FormDialog
      title="Make an API token"
      action="Make token"
      onClose={onClose}
      submit={submit}
      wide
    >
      <Field label="What it is for" name="name" required maxLength={100} autocomplete="off" />
      <label class="field">
        <span>How long it counts</span>
        <select name="expires" defaultValue="90d">
          {LIVES.map(([life, words]) => (
            <option key={life} value={life}>
              {words}
            </option>
          ))}
        </select>
      </label>
      <PermissionChoices
        legend="What it may do"
        permissions={SCOPES.filter(may)}
        given={["hosts:read"]}
      />
    </FormDialog>
  );
}

const actions = ({ id, name }: ApiToken): RowAction[] => [
  {
    words: "Revoke",
    danger: true,
    opens: ({ onClose, onDone }) => (
      <Confirm
        title={`Revoke ${name}?`}
        action="Revoke token"
        onClose={onClose}
        onConfirm={async () => {
          await api.revokeToken(id);
          say(`${name} is revoked.`);
          onDone();
        }}
      >
        <p>Programs that use it are refused from now on, and what they have open is closed.</p>
      </Confirm>
    ),
  },
];

export function TokensPage() {
  const [all, setAll] = useState(false);
  return (
    <ListPage
      title="API tokens"
      what="tokens"
      list={useListed((cursor) => api.tokens(all, cursor), String(all))}
      empty="None yet. A token lets a program do some of what you may."
      head={
        may("users:manage") && (
          <label class="choice">
            <input
              type="checkbox"
              checked={all}
              onChange={(event) => setAll(event.currentTarget.checked)}
            />
            Everybody's
          </label>
        )
      }
      add={{ words: "Make token", opens: (at) => <TokenDialog {...at} /> }}
      id={({ id }) => id}
      name={({ name }) => name}
      actions={actions}
      columns={[
        {
          head: "For",
          wrap: true,
          cell: ({ name, username }) => (
            <>
              {name}
              {username !== user.value?.username && <span class="badge">{username}</span>}
            </>
          ),
        },
        { head: "May", wrap: true, cell: ({ scopes }) => <Badges of={scopes} /> },
        {
          head: "Last used",
          cell: ({ last_used_at }) => (last_used_at ? <Ago at={last_used_at} /> : "never"),
        },
        { head: "Ends", cell: ({ expires_at }) => <Ago at={expires_at} /> },
      ]}
    />
  );
}
