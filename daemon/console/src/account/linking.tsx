/** Linking one's account to the provider of single sign-on, and taking that back. */
import { useState } from "preact/hooks";
import { route } from "../route";
import { FormDialog, text } from "../ui/form";
import { Notice, Problem } from "../ui/notice";
import { say } from "../ui/toast";
import * as api from "./api";
import { CodeField, PasswordField } from "./fields";
import type { Mine } from "./wire";

const OUTCOMES: Readonly<Record<string, string>> = {
  taken: "Whoever you are at the provider has an account here already, or yours is linked already.",
  denied: "The provider did not let you in.",
  refused: "That doesn't count: it took too long, or was begun somewhere else. Try again.",
  unavailable: "The provider can't be reached right now.",
};

interface Props {
  mine: Mine;
  title: string;
  action: string;
  onClose: () => void;
  onProved: (proof: api.Proof) => Promise<void>;
}

function Prove({ mine, onProved, ...dialog }: Props) {
  return (
    <FormDialog
      {...dialog}
      submit={(data) => {
        const password = text(data, "password");
        return onProved(mine.totp ? { password, code: text(data, "code") } : { password });
      }}
    >
      <PasswordField />
      {mine.totp && <CodeField recovery />}
    </FormDialog>
  );
}

export function LinkingSection({ mine, reload }: { mine: Mine; reload: () => void }) {
  const [open, setOpen] = useState(false);
  const provider = mine.sign_on;
  if (!provider) return null;
  const close = () => setOpen(false);
  const outcome = route.value.query.get("sso");
  const link = async (proof: api.Proof) => {
    location.assign((await api.linkSignOn(proof)).url);
  };
  const unlink = async (proof: api.Proof) => {
    await api.unlinkSignOn(proof);
    say("The link is taken back.");
    close();
    reload();
  };
  return (
    <section aria-labelledby="linking">
      <h2 id="linking">{provider.label}</h2>
      {outcome === "linked" && provider.linked && <Notice>Your account is linked now.</Notice>}
      {outcome !== null && outcome !== "linked" && (
        <Problem>{OUTCOMES[outcome] ?? "The daemon could not finish it. Try again."}</Problem>
      )}
      <p>
        {provider.linked
          ? "Linked: it lets you in to this account."
          : "Not linked: you log in to this account in the other ways only."}
      </p>
      <div class="row">
        <button
          type="button"
          class={provider.linked ? "danger" : "primary"}
          onClick={() => setOpen(true)}
        >
          {provider.linked ? "Take the link back" : "Link my account"}
        </button>
      </div>
      {open && (
        <Prove
          mine={mine}
          title={provider.linked ? "Take the link back" : `Link my account to ${provider.label}`}
          action={provider.linked ? "Take back" : "Go on there"}
          onClose={close}
          onProved={provider.linked ? unlink : link}
        />
      )}
    </section>
  );
}
