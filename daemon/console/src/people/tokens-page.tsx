/** API tokens: what people let their programs do. */
import { useState } from "preact/hooks";
import { may, user } from "../session";
import { useBusy } from "../ui/busy";
import { CopyBlock } from "../ui/copy";
import { Confirm, Dialog } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Ago } from "../ui/time";
import { complain, say } from "../ui/toast";
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

function TokenDialog({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const { busy, error, run } = useBusy();
  const [made, setMade] = useState<NewApiToken | null>(null);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(data.get(name) ?? "");
    const scopes = data.getAll("permissions").map(String);
    run(async () => {
      setMade(await api.addToken({ name: text("name").trim(), scopes, expires: text("expires") }));
    });
  };
  if (made) {
    return (
      <Dialog title={`The token ${made.name}`} onClose={onDone}>
        <div class="dialog-body">
          <p>Copy it now: it is shown only this once.</p>
          <CopyBlock text={made.token} what="the token" />
          <p class="quiet">
            Programs send it as <code>Authorization: Bearer …</code>. It ends{" "}
            <Ago at={made.expires_at} />.
          </p>
        </div>
        <footer class="dialog-foot">
          <button type="button" class="primary" onClick={onDone}>
            Done
          </button>
        </footer>
      </Dialog>
    );
  }
  return (
    <Dialog title="Make an API token" onClose={onClose} wide>
      <form onSubmit={submit}>
        <div class="dialog-body">
          {error && <Problem>{error}</Problem>}
          <label class="field">
            <span>What it is for</span>
            <input name="name" required maxLength={100} autocomplete="off" />
          </label>
          <label class="field">
            <span>How long it counts</span>
            <select name="expires" defaultValue="90d">
              <option value="1d">a day</option>
              <option value="7d">a week</option>
              <option value="30d">30 days</option>
              <option value="90d">90 days</option>
              <option value="366d">a year</option>
            </select>
          </label>
          <PermissionChoices
            legend="What it may do"
            permissions={SCOPES.filter(may)}
            given={["hosts:read"]}
          />
        </div>
        <footer class="dialog-foot">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy}>
            Make token
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function Row({ token, onRevoke }: { token: ApiToken; onRevoke: () => void }) {
  return (
    <tr>
      <th scope="row" class="wrap">
        {token.name}
        {token.username !== user.value?.username && <span class="badge">{token.username}</span>}
      </th>
      <td data-label="May" class="wrap">
        {token.scopes.map((scope) => (
          <span key={scope} class="badge">
            {scope}
          </span>
        ))}
      </td>
      <td data-label="Last used">
        {token.last_used_at ? <Ago at={token.last_used_at} /> : "never"}
      </td>
      <td data-label="Ends">
        <Ago at={token.expires_at} />
      </td>
      <td class="actions">
        <button
          type="button"
          class="small danger"
          aria-label={`Revoke ${token.name}`}
          onClick={onRevoke}
        >
          Revoke
        </button>
      </td>
    </tr>
  );
}

export function TokensPage() {
  const [all, setAll] = useState(false);
  const { items, error, more, reload } = useListed(
    (cursor) => api.tokens(all, cursor),
    String(all),
  );
  const [open, setOpen] = useState(false);
  const [gone, setGone] = useState<ApiToken | null>(null);
  const revoke = async (token: ApiToken) => {
    setGone(null);
    await api
      .revokeToken(token.id)
      .then(() => say(`${token.name} is revoked.`))
      .catch(complain);
    reload();
  };
  return (
    <div class="page">
      <header class="page-head">
        <h1>API tokens</h1>
        {may("users:manage") && (
          <label class="choice">
            <input
              type="checkbox"
              checked={all}
              onChange={(event) => setAll(event.currentTarget.checked)}
            />
            Everybody's
          </label>
        )}
        <button type="button" class="primary" onClick={() => setOpen(true)}>
          <Icon name="add" /> Make token
        </button>
      </header>
      {error && <Problem>{error}</Problem>}
      {!items && !error && <Loading what="tokens" />}
      {items?.length === 0 && (
        <p class="quiet">None yet. A token lets a program do some of what you may.</p>
      )}
      {items && items.length > 0 && (
        <table class="stack">
          <thead>
            <tr>
              <th scope="col">For</th>
              <th scope="col">May</th>
              <th scope="col">Last used</th>
              <th scope="col">Ends</th>
              <th scope="col">Change</th>
            </tr>
          </thead>
          <tbody>
            {items.map((token) => (
              <Row key={token.id} token={token} onRevoke={() => setGone(token)} />
            ))}
          </tbody>
        </table>
      )}
      {more && (
        <button type="button" onClick={more}>
          More
        </button>
      )}
      {open && (
        <TokenDialog
          onClose={() => setOpen(false)}
          onDone={() => {
            setOpen(false);
            reload();
          }}
        />
      )}
      {gone && (
        <Confirm
          title={`Revoke ${gone.name}?`}
          action="Revoke token"
          onClose={() => setGone(null)}
          onConfirm={() => void revoke(gone)}
        >
          <p>Programs that use it are refused from now on, and what they have open is closed.</p>
        </Confirm>
      )}
    </div>
  );
}
