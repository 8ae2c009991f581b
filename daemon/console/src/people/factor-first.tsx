/** A tenant wants a second factor of who enters it: one is set up here and now, before that. */
import { useState } from "preact/hooks";
import * as account from "../account/api";
import { Add } from "../account/passkeys";
import { RecoveryCodes } from "../account/recovery";
import { Enrol } from "../account/totp";
import { passkeysWork } from "../account/webauthn";
import { Dialog } from "../ui/dialog";
import { useLoaded } from "../ui/load";
import { Problem } from "../ui/notice";

interface Props {
  /** What the tenant is called. */
  tenant: string;
  onClose: () => void;
  /** They have one now. */
  onDone: () => void;
}

export function FactorFirst({ tenant, onClose, onDone }: Props) {
  const { value: mine, error } = useLoaded(account.mine);
  const [way, setWay] = useState<"codes" | "passkey" | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  if (mine && codes) {
    return <RecoveryCodes codes={codes} username={mine.username} onClose={onDone} />;
  }
  if (mine && way === "codes") return <Enrol mine={mine} onClose={onClose} onCodes={setCodes} />;
  if (mine && way === "passkey") return <Add mine={mine} onClose={onClose} onDone={onDone} />;
  return (
    <Dialog title={`${tenant} wants a second factor`} onClose={onClose}>
      <div class="dialog-body">
        {error && <Problem>{error}</Problem>}
        <p>
          Your account has none beside its password yet. Set one up now, and you go on to {tenant}.
        </p>
      </div>
      <footer class="dialog-foot">
        <button type="button" onClick={onClose}>
          Stay here
        </button>
        {passkeysWork() && (
          <button type="button" disabled={!mine} onClick={() => setWay("passkey")}>
            Add a passkey
          </button>
        )}
        <button type="button" class="primary" disabled={!mine} onClick={() => setWay("codes")}>
          Set up codes
        </button>
      </footer>
    </Dialog>
  );
}
