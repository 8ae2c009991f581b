/** Changing one's own password. */
import { useRef } from "preact/hooks";
import { useBusy } from "../ui/busy";
import { Field } from "../ui/field";
import { text } from "../ui/form";
import { Problem } from "../ui/notice";
import { say } from "../ui/toast";
import * as api from "./api";
import { PasswordField } from "./fields";

/** Same as the daemon's own bound for passwords that people choose. */
const SHORTEST_PASSWORD = 8;

export function PasswordSection({ onDone }: { onDone: () => void }) {
  const { busy, error, run } = useBusy();
  const form = useRef<HTMLFormElement>(null);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const [current, next] = [text(data, "current"), text(data, "new")];
    run(async () => {
      await api.changePassword(current, next);
      form.current?.reset();
      say("Your password is changed. Your other logins have ended.");
      onDone();
    });
  };
  return (
    <section aria-labelledby="password">
      <h2 id="password">Password</h2>
      {error && <Problem>{error}</Problem>}
      <form ref={form} class="row" onSubmit={submit}>
        <div class="grow">
          <PasswordField name="current" label="Password now" />
        </div>
        <Field
          label="New password"
          grow
          name="new"
          type="password"
          minLength={SHORTEST_PASSWORD}
          autocomplete="new-password"
          required
        />
        <button type="submit" class="align-end" disabled={busy}>
          Change password
        </button>
      </form>
    </section>
  );
}
