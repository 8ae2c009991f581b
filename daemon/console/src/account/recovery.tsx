/** Recovery codes: shown once, to be kept somewhere else. */
import { useState } from "preact/hooks";
import { CopyBlock } from "../ui/copy";
import { Dialog } from "../ui/dialog";
import { FormDialog, text } from "../ui/form";
import * as api from "./api";
import { CodeField } from "./fields";

export function RecoveryCodes(props: { codes: string[]; username: string; onClose: () => void }) {
  const { codes, username, onClose } = props;
  const list = codes.join("\n");
  const save = () => {
    const head = `Recovery codes of ${username} at ${location.host}. Each works once.\n\n`;
    const address = URL.createObjectURL(new Blob([head, list, "\n"], { type: "text/plain" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = `gangplank-recovery-codes-${username}.txt`;
    link.click();
    URL.revokeObjectURL(address);
  };
  return (
    <Dialog title="Your recovery codes" onClose={onClose}>
      <div class="dialog-body">
        <p>
          Each of these lets you in once, in place of a code from your app. They are shown now and
          never again: keep them where you will find them without your phone.
        </p>
        <CopyBlock text={list} what="the recovery codes" />
      </div>
      <footer class="dialog-foot">
        <button type="button" onClick={save}>
          Download
        </button>
        <button type="button" class="primary" onClick={onClose}>
          I have kept them
        </button>
      </footer>
    </Dialog>
  );
}

/** Asks for a code, and gives other recovery codes for it. */
export function NewRecoveryCodes(props: {
  onClose: () => void;
  onCodes: (codes: string[]) => void;
}) {
  const [sent, setSent] = useState(false);
  return (
    <FormDialog
      title="New recovery codes"
      action="Make new codes"
      unready={sent}
      onClose={props.onClose}
      submit={async (data) => {
        const { recovery_codes } = await api.newRecoveryCodes(text(data, "code"));
        setSent(true);
        props.onCodes(recovery_codes);
      }}
    >
      <p>The codes that you have now stop working.</p>
      <CodeField recovery />
    </FormDialog>
  );
}
