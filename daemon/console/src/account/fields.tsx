/** Fields that several parts of the account ask for. */

export function PasswordField({ name = "password", label = "Your password" }) {
  return (
    <label class="field">
      <span>{label}</span>
      <input name={name} type="password" autocomplete="current-password" required />
    </label>
  );
}

/** A one-time code or, where those do as well, a recovery code. */
export function CodeField({ recovery = false }: { recovery?: boolean }) {
  return (
    <label class="field">
      <span>{recovery ? "Code from your app, or a recovery code" : "Code from your app"}</span>
      <input
        name="code"
        inputMode={recovery ? "text" : "numeric"}
        autocomplete="one-time-code"
        autocapitalize="none"
        spellcheck={false}
        required
      />
    </label>
  );
}
