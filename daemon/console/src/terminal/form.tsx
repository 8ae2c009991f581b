/** Asks how to connect. Secrets go from the fields to the socket and are kept nowhere. */
import { useEffect, useRef, useState } from "preact/hooks";
import { lastConnection } from "../settings";
import { Field } from "../ui/field";
import type { ConnectionMode, Host } from "../wire";
import type { Request } from "./request";
import type { TerminalTab } from "./tab";
import { parseTarget, ptyUser, ways } from "./ways";
import { explain } from "./words";

/** A private key is a few KiB; anything near this is some other file. */
const LARGEST_KEY = 64 * 1024;

const text = (data: FormData, name: string) => String(data.get(name) ?? "");

/** What the fields say, or a sentence about what is wrong with them. */
function requestOf(mode: ConnectionMode, data: FormData): Request | string {
  const request: Request = { connection_mode: mode };
  const username = text(data, "username").trim();
  if (username) request.username = username;
  if (mode === "pty") return request;
  if (!username) return "Say the user name on the host.";
  const password = text(data, "password");
  const privateKey = text(data, "key");
  if (privateKey.trim()) {
    request.privateKey = privateKey;
    const passphrase = text(data, "passphrase");
    if (passphrase) request.passphrase = passphrase;
  }
  if (password) request.password = password;
  if (mode === "proxy" && text(data, "target").trim()) {
    const target = parseTarget(text(data, "target"));
    if (!target) return "The target is a name or address, with a port after a colon if not 22.";
    request.proxy_host = target.host;
    request.proxy_port = target.port;
  }
  return request;
}

export function ConnectForm({ tab, host }: { tab: TerminalTab; host: Host }) {
  const offered = ways(host);
  const last = lastConnection(host.id);
  const [mode, setMode] = useState<ConnectionMode | undefined>(
    offered.find((way) => way.mode === last?.mode)?.mode ?? offered[0]?.mode,
  );
  const [withKey, setWithKey] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const key = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const empty = form.current?.querySelector<HTMLInputElement>(
      'input[name="username"]:placeholder-shown, input[name="password"]',
    );
    (empty ?? form.current?.querySelector<HTMLElement>('button[type="submit"]'))?.focus();
  }, []);

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (!form.current || !mode) return;
    const request = requestOf(mode, new FormData(form.current));
    if (typeof request === "string") setProblem(request);
    else tab.connect(request);
  };
  const readKey = async (file: File | undefined) => {
    if (!file || !key.current) return;
    if (file.size > LARGEST_KEY) setProblem("This file is too large for a private key.");
    else key.current.value = await file.text();
  };

  const state = tab.state.value;
  const failure = state.kind === "failed" ? explain(state.error) : null;
  return (
    <div class="connect">
      <form
        ref={form}
        class="card"
        onSubmit={submit}
        aria-label={`Connect to ${host.friendly_name}`}
      >
        <h2>Connect to {host.friendly_name}</h2>
        {failure && (
          <p class="notice bad">
            <strong>{failure.title}.</strong> {failure.advice}
          </p>
        )}
        {problem && (
          <p class="notice bad" role="alert">
            {problem}
          </p>
        )}
        {offered.length === 0 && (
          <p class="notice">
            This host has no address, and its agent allows no terminals. Give it an address on its
            page, or allow terminals in its own agent.toml (section policy).
          </p>
        )}
        {offered.length > 1 && (
          <fieldset class="choices">
            <legend>Way</legend>
            {offered.map((way) => (
              <label key={way.mode} class="choice" title={way.hint}>
                <input
                  type="radio"
                  name="mode"
                  checked={way.mode === mode}
                  onChange={() => setMode(way.mode)}
                />
                {way.label}
              </label>
            ))}
          </fieldset>
        )}
        {mode && <p class="quiet">{offered.find((way) => way.mode === mode)?.hint}.</p>}
        {mode === "pty" && (
          <label class="field">
            <span>User</span>
            <select name="username">
              {host.pty_users.map((name) => (
                <option key={name} selected={name === (last?.username ?? ptyUser(host))}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
        {mode && mode !== "pty" && (
          <>
            {mode === "proxy" && (
              <Field
                label="Target"
                name="target"
                placeholder="localhost:22"
                autocomplete="off"
                spellcheck={false}
              />
            )}
            <Field
              label="User"
              name="username"
              defaultValue={last?.mode === "pty" ? "" : (last?.username ?? "")}
              placeholder="User name on the host"
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
            />
            <Field label="Password" name="password" type="password" autocomplete="off" />
            {!withKey && (
              <button type="button" class="plain" onClick={() => setWithKey(true)}>
                Use a private key
              </button>
            )}
            {withKey && (
              <>
                <label class="field">
                  <span>Private key</span>
                  <textarea
                    ref={key}
                    name="key"
                    rows={4}
                    placeholder="-----BEGIN OPENSSH PRIVATE KEY-----"
                    autocomplete="off"
                    spellcheck={false}
                  />
                </label>
                <Field
                  label="or from a file"
                  type="file"
                  onChange={(event) => void readKey(event.currentTarget.files?.[0])}
                />
                <Field
                  label="Passphrase of the key"
                  name="passphrase"
                  type="password"
                  autocomplete="off"
                />
              </>
            )}
            <p class="quiet">
              Passwords and keys are used for this connection only, and never stored.
            </p>
          </>
        )}
        <div class="row end">
          {tab.canReconnect && (
            <button
              type="button"
              onClick={() => {
                tab.asking.value = false;
              }}
            >
              Cancel
            </button>
          )}
          <button type="submit" class="primary" disabled={!mode}>
            Connect
          </button>
        </div>
      </form>
    </div>
  );
}
