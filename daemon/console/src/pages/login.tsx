/** The login page. */
import { useEffect, useRef } from "preact/hooks";
import { ApiError } from "../api";
import { goBackFromLogin } from "../route";
import { login, user } from "../session";
import { useBusy } from "../ui/busy";
import { Link } from "../ui/link";

function sentence(error: unknown): Error {
  if (error instanceof ApiError && error.status === 401) {
    return new Error("User name or password is wrong.");
  }
  if (error instanceof ApiError && error.status === 429) {
    const wait = error.retryAfter ? ` in ${error.retryAfter} seconds` : " later";
    return new Error(`Too many failed logins came from here. Try again${wait}.`);
  }
  return error instanceof Error ? error : new Error(String(error));
}

export function LoginPage() {
  const { busy, error, run } = useBusy();
  const name = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (user.value) goBackFromLogin();
    else name.current?.focus();
  }, []);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    run(async () => {
      try {
        await login(name.current?.value ?? "", password.current?.value ?? "");
      } catch (problem) {
        password.current?.select();
        throw sentence(problem);
      }
      goBackFromLogin();
    });
  };
  return (
    <div class="login">
      <form class="card" onSubmit={submit}>
        <h1>Gangplank</h1>
        <p class="quiet">Terminals to your hosts</p>
        {error && (
          <p class="notice bad" role="alert">
            {error}
          </p>
        )}
        <label class="field">
          <span>User name</span>
          <input
            ref={name}
            name="username"
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            required
          />
        </label>
        <label class="field">
          <span>Password</span>
          <input
            ref={password}
            name="password"
            type="password"
            autocomplete="current-password"
            required
          />
        </label>
        <button type="submit" class="primary wide-button" disabled={busy}>
          {busy ? "Logging in …" : "Log in"}
        </button>
        <p class="quiet">
          The browser warned about the certificate? <Link to="trust">How to trust it</Link>
        </p>
      </form>
    </div>
  );
}
