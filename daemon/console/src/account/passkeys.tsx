/** The person's passkeys. */
import { useState } from "preact/hooks";
import { ask } from "../session";
import { Confirm } from "../ui/dialog";
import { Field } from "../ui/field";
import { FormDialog, text } from "../ui/form";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Table } from "../ui/table";
import { Ago } from "../ui/time";
import { say } from "../ui/toast";
import * as api from "./api";
import { PasswordField } from "./fields";
import { addPasskey, passkeysWork } from "./webauthn";
import type { Mine, Passkey } from "./wire";

function NameField({ value = "" }: { value?: string }) {
  return (
    <Field
      label="What to call it"
      name="name"
      maxLength={64}
      defaultValue={value}
      autocomplete="off"
      required
    />
  );
}

export function Add(props: { mine: Mine; onClose: () => void; onDone: () => void }) {
  const { must_enrol } = props.mine;
  return (
    <FormDialog
      title="Add a passkey"
      action="Make passkey"
      meanwhile="Waiting for your browser …"
      onClose={props.onClose}
      submit={async (data) => {
        await addPasskey(text(data, "name"), must_enrol ? undefined : text(data, "password"));
        props.onDone();
      }}
    >
      <p>
        Your browser asks where to keep it: on this device, on your phone or on a security key. It
        works for {location.hostname} alone.
      </p>
      <NameField />
      {!must_enrol && <PasswordField />}
    </FormDialog>
  );
}

function Rename(props: { passkey: Passkey; onClose: () => void; onDone: () => void }) {
  const { id, name } = props.passkey;
  return (
    <FormDialog
      title={`Rename ${name}`}
      action="Rename"
      onClose={props.onClose}
      submit={async (data) => {
        await api.renamePasskey(id, text(data, "name"));
        props.onDone();
      }}
    >
      <NameField value={name} />
    </FormDialog>
  );
}

function List(props: {
  items: Passkey[];
  onRename: (passkey: Passkey) => void;
  onRemove: (passkey: Passkey) => void;
}) {
  return (
    <Table
      items={props.items}
      id={({ id }) => id}
      name={({ name }) => name}
      columns={[
        {
          head: "Name",
          cell: ({ name, site }) => (
            <>
              {name}
              {site !== location.hostname && <span class="badge">{site}</span>}
            </>
          ),
        },
        { head: "Made", cell: ({ created_at }) => <Ago at={created_at} /> },
        { head: "Last used", cell: ({ used_at }) => (used_at ? <Ago at={used_at} /> : "never") },
      ]}
      actions={(passkey) => [
        { words: "Rename", does: () => props.onRename(passkey) },
        { words: "Remove", danger: true, does: () => props.onRemove(passkey) },
      ]}
    />
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
    await api.removePasskey(passkey.id);
    changed("The passkey is removed.");
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
          onConfirm={() => remove(removing)}
          onClose={() => setRemoving(null)}
        >
          It won't let you in any more. Your device may still offer it; you can forget it there.
        </Confirm>
      )}
    </section>
  );
}
