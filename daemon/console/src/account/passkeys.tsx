/** The person's passkeys. */
import { useState } from "preact/hooks";
import { ask } from "../session";
import { useBusy } from "../ui/busy";
import { Confirm, Dialog } from "../ui/dialog";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Ago } from "../ui/time";
import { complain, say } from "../ui/toast";
import * as api from "./api";
import { PasswordField, text } from "./fields";
import { addPasskey, passkeysWork } from "./webauthn";
import type { Mine, Passkey } from "./wire";

function NameField({ value = "" }: { value?: string }) {
  return (
    <label class="field">
      <span>What to call it</span>
      <input name="name" maxLength={64} defaultValue={value} autocomplete="off" required />
    </label>
  );
}

function Add(props: { mine: Mine; onClose: () => void; onDone: () => void }) {
  const { busy, error, run } = useBusy();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget;
    const name = text(form, "name");
    const password = props.mine.must_enrol ? undefined : text(form, "password");
    run(async () => {
      await addPasskey(name, password);
      props.onDone();
    });
  };
  return (
    <Dialog title="Add a passkey" onClose={props.onClose}>
      <form onSubmit={submit}>
        <div class="dialog-body">
          {error && <Problem>{error}</Problem>}
          <p>
            Your browser asks where to keep it: on this device, on your phone or on a security key.
            It works for {location.hostname} alone.
          </p>
          <NameField />
          {!props.mine.must_enrol && <PasswordField />}
        </div>
        <footer class="dialog-foot">
          <button type="button" onClick={props.onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy}>
            {busy ? "Waiting for your browser …" : "Make passkey"}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function Rename(props: { passkey: Passkey; onClose: () => void; onDone: () => void }) {
  const { busy, error, run } = useBusy();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const name = text(event.currentTarget, "name");
    run(async () => {
      await api.renamePasskey(props.passkey.id, name);
      props.onDone();
    });
  };
  return (
    <Dialog title={`Rename ${props.passkey.name}`} onClose={props.onClose}>
      <form onSubmit={submit}>
        <div class="dialog-body">
          {error && <Problem>{error}</Problem>}
          <NameField value={props.passkey.name} />
        </div>
        <footer class="dialog-foot">
          <button type="button" onClick={props.onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy}>
            Rename
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function List(props: {
  items: Passkey[];
  onRename: (passkey: Passkey) => void;
  onRemove: (passkey: Passkey) => void;
}) {
  return (
    <table class="stack">
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Made</th>
          <th scope="col">Last used</th>
          <th scope="col">Change</th>
        </tr>
      </thead>
      <tbody>
        {props.items.map((passkey) => (
          <tr key={passkey.id}>
            <th scope="row">
              {passkey.name}
              {passkey.site !== location.hostname && <span class="badge">{passkey.site}</span>}
            </th>
            <td data-label="Made">
              <Ago at={passkey.created_at} />
            </td>
            <td data-label="Last used">
              {passkey.used_at ? <Ago at={passkey.used_at} /> : "never"}
            </td>
            <td class="actions">
              <button
                type="button"
                class="small"
                aria-label={`Rename ${passkey.name}`}
                onClick={() => props.onRename(passkey)}
              >
                Rename
              </button>
              <button
                type="button"
                class="small danger"
                aria-label={`Remove ${passkey.name}`}
                onClick={() => props.onRemove(passkey)}
              >
                Remove
              </button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function PasskeysSection({ mine, reload }: { mine: Mine; reload: () => void }) {
  // Who has yet to enrol may add one, and has none that could be listed.
  const list = useListed(() => (mine.must_enrol ? api.noPasskeys() : api.passkeys()));
  const [adding, setAdding] = useState(false);
  const [renaming, setRenaming] = useState<Passkey | null>(null);
  const [removing, setRemoving] = useState<Passkey | null>(null);
  const changed = (words: string) => {
    setAdding(false);
    setRenaming(null);
    setRemoving(null);
    say(words);
    list.reload();
    reload();
    if (mine.must_enrol) void ask();
  };
  const remove = async (passkey: Passkey) => {
    try {
      await api.removePasskey(passkey.id);
      changed("The passkey is removed.");
    } catch (problem) {
      complain(problem);
      setRemoving(null);
    }
  };
  return (
    <section aria-labelledby="passkeys">
      <h2 id="passkeys">Passkeys</h2>
      <p>
        {passkeysWork()
          ? "With one you log in by your finger, face or PIN, and without a password."
          : "Passkeys work where this page is opened by a name, in a current browser."}
      </p>
      {list.error && <Problem>{list.error}</Problem>}
      {!list.items && !list.error && <Loading what="your passkeys" />}
      {list.items && list.items.length > 0 && (
        <List items={list.items} onRename={setRenaming} onRemove={setRemoving} />
      )}
      {passkeysWork() && (
        <div class="row">
          <button type="button" onClick={() => setAdding(true)}>
            Add a passkey
          </button>
        </div>
      )}
      {adding && (
        <Add
          mine={mine}
          onClose={() => setAdding(false)}
          onDone={() => changed("The passkey is added.")}
        />
      )}
      {renaming && (
        <Rename
          passkey={renaming}
          onClose={() => setRenaming(null)}
          onDone={() => changed("The passkey is renamed.")}
        />
      )}
      {removing && (
        <Confirm
          title={`Remove ${removing.name}?`}
          action="Remove"
          onConfirm={() => void remove(removing)}
          onClose={() => setRemoving(null)}
        >
          It won't let you in any more. Your device may still offer it; you can forget it there.
        </Confirm>
      )}
    </section>
  );
}
