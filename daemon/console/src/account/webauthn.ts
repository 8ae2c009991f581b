/** The browser's side of passkeys. */
import { call } from "../api";
import type { User } from "../wire";

interface Challenge {
  /** Under which the answer is brought. */
  challenge: string;
  options: unknown;
}

/**
 * Whether this page can use passkeys: browsers make them for names only, and older ones can't read
 * the form in which the daemon asks.
 */
export function passkeysWork(): boolean {
  const name = location.hostname;
  const numbers = /^[\d.]+$|:/.test(name);
  return (
    !numbers &&
    typeof PublicKeyCredential === "function" &&
    typeof PublicKeyCredential.parseRequestOptionsFromJSON === "function"
  );
}

/** What went wrong in the browser, in words. */
function sentence(error: unknown): Error {
  if (error instanceof DOMException) {
    if (error.name === "InvalidStateError") return new Error("This device has a passkey already.");
    if (error.name === "NotAllowedError") {
      return new Error(
        "The browser got no passkey: it was cancelled, took too long, or there is none.",
      );
    }
  }
  return error instanceof Error ? error : new Error(String(error));
}

async function asJson(credential: Promise<Credential | null>): Promise<unknown> {
  let made: Credential | null;
  try {
    made = await credential;
  } catch (error) {
    throw sentence(error);
  }
  if (!(made instanceof PublicKeyCredential)) throw new Error("The browser got no passkey.");
  return made.toJSON();
}

/** Makes a passkey on the person's device and gives it to the daemon. */
export async function addPasskey(name: string, password?: string): Promise<void> {
  const { challenge, options } = await call<Challenge>("POST", "account/passkeys/offer", {
    body: password === undefined ? {} : { password },
  });
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
    options as PublicKeyCredentialCreationOptionsJSON,
  );
  const credential = await asJson(navigator.credentials.create({ publicKey }));
  await call<{ id: string }>("POST", "account/passkeys", { body: { challenge, name, credential } });
}

/** Logs in by a passkey that the device finds by itself. */
export async function passkeyLogin(wish: { tenant?: string }): Promise<User> {
  const { challenge, options } = await call<Challenge>("POST", "auth/passkey/start", {
    body: {},
    anonymous: true,
  });
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
    options as PublicKeyCredentialRequestOptionsJSON,
  );
  const credential = await asJson(navigator.credentials.get({ publicKey }));
  const body = { challenge, credential, ...wish };
  return (await call<{ user: User }>("POST", "auth/passkey", { body, anonymous: true })).user;
}
