/** The daemon's HTTP interface, one function a call. */
import { httpAddress } from "./address";
import type { Grant } from "./people/wire";
import type {
  Account,
  AuditEntry,
  Credentials,
  Enrolment,
  Host,
  HostKey,
  NewEnrolment,
  NewHost,
  Page,
  TerminalSession,
  Trust,
  User,
} from "./wire";

/** A refused or failed call. `message` is for people. */
export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 when no answer came. */
    readonly status: number,
    readonly code: string,
    message: string,
    /** Seconds to wait, when the daemon named them. */
    readonly retryAfter?: number,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

let onUnauthorized: () => void = () => {};

/** Says what happens when a call finds that the login is gone. */
export function whenUnauthorized(run: () => void): void {
  onUnauthorized = run;
}

interface Options {
  body?: unknown;
  /** A 401 is an answer here, and not the end of a login. */
  anonymous?: boolean;
  signal?: AbortSignal;
}

export async function call<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const { body, anonymous, signal } = options;
  let response: Response;
  try {
    response = await fetch(httpAddress(`api/v1/${path}`), {
      method,
      credentials: "same-origin",
      cache: "no-store",
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError(
      0,
      "no_answer",
      "The daemon does not answer. Is it running, and can you reach it?",
    );
  }
  if (response.ok) {
    const text = await response.text();
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }
  if (response.status === 401 && !anonymous) onUnauthorized();
  throw await refusal(response);
}

async function refusal(response: Response): Promise<ApiError> {
  let code = "refused";
  let message = `The daemon refused this (HTTP ${response.status}).`;
  try {
    const body: unknown = await response.json();
    if (typeof body === "object" && body !== null) {
      if ("error" in body && typeof body.error === "string") message = body.error;
      if ("code" in body && typeof body.code === "string") code = body.code;
    }
  } catch {
    // A proxy in between answers with pages of its own; the status says enough then.
  }
  const wait = Number(response.headers.get("Retry-After") ?? Number.NaN);
  return new ApiError(response.status, code, message, Number.isFinite(wait) ? wait : undefined);
}

const id = encodeURIComponent;

/** What somebody types to log in. */
export interface Login {
  username: string;
  password: string;
  totp?: string;
  /** The tenant to enter; one's own when none is named. */
  tenant?: string;
}

export const login = (body: Login) =>
  call<{ user: User }>("POST", "auth/login", { body, anonymous: true });
export const logout = () => call<void>("POST", "auth/logout", { anonymous: true });
export const me = () => call<{ user: User }>("GET", "auth/me", { anonymous: true });

/** Walks all pages of the list. */
export async function hosts(signal?: AbortSignal): Promise<Host[]> {
  const found: Host[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? "" : `&cursor=${id(cursor)}`;
    const page: Page<Host> = await call("GET", `hosts?limit=500${query}`, signal ? { signal } : {});
    found.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return found;
}

export const host = (hostId: string) => call<Host>("GET", `hosts/${id(hostId)}`);
export const addHost = (body: NewHost) =>
  call<Credentials & { id: string }>("POST", "hosts", { body });
export const changeHost = (hostId: string, body: Partial<NewHost>) =>
  call<Host>("PATCH", `hosts/${id(hostId)}`, { body });
export const deleteHost = (hostId: string) => call<void>("DELETE", `hosts/${id(hostId)}`);
export const regenerateCredentials = (hostId: string) =>
  call<Credentials>("POST", `hosts/${id(hostId)}/regenerate-credentials`);
/** Lets a host in, as itself or in the place of the known one that it says it is. */
export const acceptHost = (hostId: string, inPlace = false) =>
  call<Host>("POST", `hosts/${id(hostId)}/accept`, { body: { in_place: inPlace } });
export const hostKeys = (hostId: string) =>
  call<Page<HostKey>>("GET", `hosts/${id(hostId)}/host-keys`);
export const removeHostKey = (hostId: string, keyId: string) =>
  call<void>("DELETE", `hosts/${id(hostId)}/host-keys/${id(keyId)}`);
export const acceptAttestedKeys = (hostId: string, fingerprints: string[]) =>
  call<void>("POST", `hosts/${id(hostId)}/host-keys/accept-attested`, { body: { fingerprints } });

export const enrolmentToken = (body: NewEnrolment) =>
  call<Enrolment>("POST", "enrolment-tokens", { body });
export const terminalTicket = (hostId: string) =>
  call<{ ticket: string; expiresIn: number }>("POST", "auth/ssh-ticket", { body: { hostId } });

export const sessions = (cursor?: string) =>
  call<Page<TerminalSession>>("GET", `sessions?limit=100${cursor ? `&cursor=${id(cursor)}` : ""}`);
/** What the person has running, on this page or elsewhere. */
export const mySessions = () =>
  call<Page<TerminalSession>>("GET", "sessions?mine=true&state=live&limit=500");
export const endSession = (sessionId: string) => call<void>("DELETE", `sessions/${id(sessionId)}`);

export const users = () => call<Page<Account>>("GET", "users?limit=500");
export const addUser = (body: { username: string; password: string; roles: string[] }) =>
  call<Account>("POST", "users", { body });
export const changeUser = (
  userId: string,
  body: { disabled?: boolean; roles?: Grant[]; password?: string },
) => call<Account>("PATCH", `users/${id(userId)}`, { body });

export const audit = (cursor?: string) =>
  call<Page<AuditEntry>>("GET", `audit?limit=100${cursor ? `&cursor=${id(cursor)}` : ""}`);
export const trust = () => call<Trust>("GET", "trust", { anonymous: true });
