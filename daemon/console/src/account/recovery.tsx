/** Recovery codes: shown once, to be kept somewhere else. */
import { useState } from "preact/hooks";
import { useBusy } from "../ui/busy";
import { CopyBlock } from "../ui/copy";
import { Dialog } from "../ui/dialog";
import { Problem } from "../ui/notice";
import * as api from "./api";
import { CodeField, text } from "./fields";

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
  const { busy, error, run } = useBusy();
  const [sent, setSent] = useState(false);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const code = text(event.currentTarget, "code");
    run(async () => {
      const { recovery_codes } = await api.newRecoveryCodes(code);
      setSent(true);
      props.onCodes(recovery_codes);
    });
  };
  return (
    <Dialog title="New recovery codes" onClose={props.onClose}>
      <form onSubmit={submit}>
        <div class="dialog-body">
          {error && <Problem>{error}</Problem>}
          <p>The codes that you have now stop working.</p>
          <CodeField recovery />
        </div>
        <footer class="dialog-foot">
          <button type="button" onClick={props.onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy || sent}>
            Make new codes
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
