/** Fields that several parts of the account ask for. */
import { Field } from "../ui/field";

export function PasswordField({ name = "password", label = "Your password" }) {
  return (
    <Field label={label} name={name} type="password" autocomplete="current-password" required />
  );
}

/** A one-time code or, where those do as well, a recovery code. */
export function CodeField({ recovery = false }: { recovery?: boolean }) {
  return (
    <Field
      label={recovery ? "Code from your app, or a recovery code" : "Code from your app"}
      name="code"
      inputMode={recovery ? "text" : "numeric"}
      autocomplete="one-time-code"
      autocapitalize="none"
      spellcheck={false}
      required
    />
  );
}
