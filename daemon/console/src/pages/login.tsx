/** The login page. */
import { useEffect, useRef, useState } from "preact/hooks";
import { SingleSignOn, signOnProblem } from "../account/sign-on";
import { passkeyLogin, passkeysWork } from "../account/webauthn";
import { ApiError } from "../api";
import { goBackFromLogin, route } from "../route";
import { login, user, welcome } from "../session";
import { lastTenant, rememberTenant } from "../settings";
import { useBusy } from "../ui/busy";
import { Link } from "../ui/link";

/** What is said of a tenant at a login: nothing, where none is named. */
const named = (tenant: string) => (tenant.trim() === "" ? {} : { tenant: tenant.trim() });

function sentence(error: unknown, namesTenant: boolean): Error {
  if (error instanceof ApiError && error.code === "totp_invalid") {
    return new Error("That code is wrong, or was used already. Wait for the next one.");
  }
  if (error instanceof ApiError && error.code === "passkey_required") {
    return new Error("This account is entered by passkey.");
  }
  if (error instanceof ApiError && error.status === 401) {
    const organisation = namesTenant ? ", or you don't belong to that organisation" : "";
    return new Error(`User name or password is wrong${organisation}.`);
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
  const code = useRef<HTMLInputElement>(null);
  const [tenant, setTenant] = useState(route.value.query.get("tenant") ?? lastTenant());
  /** Out of the way of those who never name one. */
  const [namesTenant] = useState(tenant !== "");
  /** The password was right, and the account wants a code as well. */
  const [asksCode, setAsksCode] = useState(false);
  useEffect(() => {
    if (user.value) goBackFromLogin();
    else name.current?.focus();
  }, []);
  useEffect(() => {
    if (asksCode) code.current?.focus();
  }, [asksCode]);
  /** Another name or password may need no code, or another. */
  const forgetCode = () => setAsksCode(false);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    run(async () => {
      try {
        const shown = asksCode ? code.current?.value : undefined;
        await login({
          username: name.current?.value ?? "",
          password: password.current?.value ?? "",
          ...(shown === undefined ? {} : { totp: shown }),
          ...named(tenant),
        });
      } catch (problem) {
        if (problem instanceof ApiError && problem.code === "totp_required") {
          setAsksCode(true);
          return;
        }
        (code.current ?? password.current)?.select();
        throw sentence(problem, tenant.trim() !== "");
      }
      rememberTenant(tenant.trim());
      goBackFromLogin();
    });
  };
  const said = error ?? signOnProblem();
  const byPasskey = () =>
    run(async () => {
      welcome(await passkeyLogin(named(tenant)));
      rememberTenant(tenant.trim());
      goBackFromLogin();
    });
  return (
    <div class="login">
      <form class="card" onSubmit={submit}>
        <h1>Gangplank</h1>
        <p class="quiet">Terminals to your hosts</p>
        {said && (
          <p class="notice bad" role="alert">
            {said}
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
            onInput={forgetCode}
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
            onInput={forgetCode}
            required
          />
        </label>
        {asksCode && (
          <label class="field">
            <span>Code from your app, or a recovery code</span>
            <input
              ref={code}
              name="totp"
              autocomplete="one-time-code"
              autocapitalize="none"
              spellcheck={false}
              required
            />
          </label>
        )}
        <details open={namesTenant}>
          <summary>Another organisation</summary>
          <label class="field">
            <span>Organisation (empty: your own)</span>
            <input
              name="tenant"
              value={tenant}
              autocomplete="organization"
              autocapitalize="none"
              spellcheck={false}
              onInput={(event) => setTenant(event.currentTarget.value)}
            />
          </label>
        </details>
        <button type="submit" class="primary wide-button" disabled={busy}>
          {busy ? "Logging in …" : "Log in"}
        </button>
        {passkeysWork() && (
          <button type="button" class="wide-button" disabled={busy} onClick={byPasskey}>
            Use a passkey
          </button>
        )}
        <SingleSignOn tenant={tenant.trim()} />
        <p class="quiet">
          The browser warned about the certificate? <Link to="trust">How to trust it</Link>
        </p>
      </form>
    </div>
  );
}
