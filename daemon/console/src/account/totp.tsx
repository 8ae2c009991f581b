/** One-time codes: turning them on and off. */
import { useState } from "preact/hooks";
import { ask } from "../session";
import { CopyBlock } from "../ui/copy";
import { Dialog } from "../ui/dialog";
import { DialogForm, FormDialog, text } from "../ui/form";
import { say } from "../ui/toast";
import * as api from "./api";
import { CodeField, PasswordField } from "./fields";
import { NewRecoveryCodes, RecoveryCodes } from "./recovery";
import type { Mine, TotpOffer } from "./wire";

/** Light around dark whatever the colours of the page: cameras want it so. */
function QrCode({ qr }: { qr: NonNullable<TotpOffer["qr"]> }) {
  const quiet = 4;
  const side = qr.size + 2 * quiet;
  return (
    <svg
      class="qr"
      viewBox={`${-quiet} ${-quiet} ${side} ${side}`}
      role="img"
      aria-label="QR code for your app; the text below says the same"
    >
      <rect x={-quiet} y={-quiet} width={side} height={side} fill="#fff" />
      <path d={qr.path} fill="#000" />
    </svg>
  );
}

export function Enrol(props: {
  mine: Mine;
  onClose: () => void;
  onCodes: (codes: string[]) => void;
}) {
  const { mine, onClose, onCodes } = props;
  const [offer, setOffer] = useState<TotpOffer | null>(null);
  return (
    <Dialog title="Set up one-time codes" onClose={onClose}>
      {offer === null ? (
        <DialogForm
          action="Continue"
          onClose={onClose}
          submit={async (data) =>
            setOffer(await api.offerTotp(mine.must_enrol ? undefined : text(data, "password")))
          }
        >
          <p>
            You need an app that makes codes, on your phone or in your password manager. From then
            on a login takes your password and a code.
          </p>
          {!mine.must_enrol && <PasswordField />}
        </DialogForm>
      ) : (
        <DialogForm
          key="confirm"
          action="Turn on"
          onClose={onClose}
          submit={async (data) =>
            onCodes((await api.confirmTotp(text(data, "code"))).recovery_codes)
          }
        >
          <p>Scan this with your app, or type the text into it.</p>
          {offer.qr && <QrCode qr={offer.qr} />}
          <CopyBlock text={offer.secret} what="the secret" />
          <CodeField />
        </DialogForm>
      )}
    </Dialog>
  );
}

function Disable(props: { onClose: () => void; onDone: () => void }) {
  return (
    <FormDialog
      title="Turn one-time codes off"
      action="Turn off"
      danger
      onClose={props.onClose}
      submit={async (data) => {
        await api.disableTotp(text(data, "password"), text(data, "code"));
        props.onDone();
      }}
    >
      <p>From then on your password alone lets you in, and whoever else knows it.</p>
      <PasswordField />
      <CodeField recovery />
    </FormDialog>
  );
}

export function TotpSection({ mine, reload }: { mine: Mine; reload: () => void }) {
  const [open, setOpen] = useState<"enrol" | "disable" | "recovery" | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  const close = () => setOpen(null);
  const show = (fresh: string[]) => {
    setOpen(null);
    setCodes(fresh);
    reload();
  };
  return (
    <section aria-labelledby="totp">
      <h2 id="totp">One-time codes</h2>
      {mine.totp ? (
        <>
          <p>
            On. {mine.recovery_codes} of your recovery codes{" "}
            {mine.recovery_codes === 1 ? "is" : "are"} left.
          </p>
          <div class="row">
            <button type="button" onClick={() => setOpen("recovery")}>
              New recovery codes
            </button>
            <button type="button" class="danger" onClick={() => setOpen("disable")}>
              Turn codes off
            </button>
          </div>
        </>
      ) : (
        <>
          <p>Off. With them, whoever learns your password still can't log in.</p>
          <div class="row">
            <button type="button" class="primary" onClick={() => setOpen("enrol")}>
              Set up codes
            </button>
          </div>
        </>
      )}
      {open === "enrol" && <Enrol mine={mine} onClose={close} onCodes={show} />}
      {open === "recovery" && <NewRecoveryCodes onClose={close} onCodes={show} />}
      {open === "disable" && (
        <Disable
          onClose={close}
          onDone={() => {
            say("One-time codes are off.");
            close();
            reload();
          }}
        />
      )}
      {codes && (
        <RecoveryCodes
          codes={codes}
          username={mine.username}
          onClose={() => {
            setCodes(null);
            // Those who had to do this first may do everything from now on.
            void ask();
          }}
        />
      )}
    </section>
  );
}
