/** What a host asks while it is being connected to. All texts of a host are shown as text. */
import { useId } from "preact/hooks";
import { Dialog } from "../ui/dialog";
import type { Prompt } from "../wire";
import type { TerminalTab } from "./tab";

function Question({ name, prompt }: { name: string; prompt: Prompt }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{prompt.text}</label>
      {prompt.echo ? (
        <input id={id} name={name} type="text" autocomplete="off" />
      ) : (
        <input id={id} name={name} type="password" autocomplete="off" />
      )}
    </div>
  );
}

/** Keyboard-interactive questions (RFC 4256 §3.2). */
export function PromptQuestion({ tab }: { tab: TerminalTab }) {
  const state = tab.state.value;
  if (state.kind !== "prompt") return null;
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    tab.answer(state.prompts.map((_, at) => String(data.get(`answer-${at}`) ?? "")));
  };
  return (
    <Dialog title={state.name || `${tab.host.friendly_name} asks`} onClose={() => tab.giveUp()}>
      <form onSubmit={send}>
        <div class="dialog-body">
          {state.instructions && <p class="host-text">{state.instructions}</p>}
          {state.prompts.map((prompt, at) => (
            <Question key={`${at} ${prompt.text}`} name={`answer-${at}`} prompt={prompt} />
          ))}
          {state.prompts.length === 0 && <p>Nothing to answer: go on.</p>}
        </div>
        <footer class="dialog-foot">
          <button type="button" onClick={() => tab.giveUp()}>
            Cancel
          </button>
          <button type="submit" class="primary">
            Continue
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

export function HostKeyQuestion({ tab }: { tab: TerminalTab }) {
  const state = tab.state.value;
  if (state.kind !== "host_key") return null;
  return (
    <Dialog title="Is this the right host?" onClose={() => tab.refuseHostKey()}>
      <div class="dialog-body">
        <p>
          This is the first connection to <strong>{tab.host.friendly_name}</strong> on this way.
          Nothing secret has been sent. Compare the fingerprint with the host's own:
        </p>
        <dl class="facts">
          <dt>Key</dt>
          <dd>{state.keyType}</dd>
          <dt>Fingerprint</dt>
          <dd class="wrap">
            <code>{state.fingerprint}</code>
          </dd>
        </dl>
        <p class="quiet">
          On the host: <code>ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub</code>
        </p>
      </div>
      <footer class="dialog-foot">
        <button type="button" onClick={() => tab.refuseHostKey()}>
          Don't connect
        </button>
        <button type="button" class="primary" onClick={() => tab.acceptHostKey()}>
          Accept and connect
        </button>
      </footer>
    </Dialog>
  );
}
