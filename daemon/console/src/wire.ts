/**
 * The words on the wire: what the daemon's HTTP interface and sockets say and take.
 *
 * Names are the daemon's own. Everything that comes from a host or its agent is text to be shown
 * as text, never markup.
 */
import type { Grant } from "./people/wire";

/** A logged-in person. */
export interface User {
  id: string;
  username: string;
  tenant: { id: string; name: string };
  roles: string[];
  permissions: string[];
  /** Nothing is possible before a second factor is set up. */
  must_enrol?: boolean;
}

export type Presence = "online" | "stale" | "offline" | "pending";

export interface HostStatus {
  state: Presence;
  reason: string | null;
  since: string | null;
  /** Whether the agent's link is encrypted all the way to the daemon. */
  secure: boolean | null;
  agent_version: string | null;
  rtt_ms: number | null;
}

export interface PublicKey {
  key_type: string;
  fingerprint: string;
}

export interface Host {
  id: string;
  api_id: string;
  friendly_name: string;
  address: string | null;
  port: number;
  /** The host from which direct terminals dial; the daemon itself when null. */
  gateway_id: string | null;
  labels: string[];
  /** The known host whose machine this one says it is, while it waits. */
  same_as?: string | null;
  status: HostStatus;
  /** Whose program its agent is; null while none has been there. */
  agent: "gangplank" | "patchmon" | null;
  os: string | null;
  os_version: string | null;
  hostname: string | null;
  arch: string | null;
  /** What the agent's own policy allows. */
  terminal: ("ssh" | "pty")[];
  pty_users: string[];
  /** The agent's own user. */
  run_as: string | null;
  created_at: string;
  first_report_at: string | null;
  last_seen_at: string | null;
  /** Keys that the agent reports now and nobody has accepted yet. */
  host_keys_pending?: PublicKey[];
}

export interface HostKey extends PublicKey {
  id: string;
  target: string;
  source: "attested" | "accepted";
  added_at: string;
}

export interface NewHost {
  friendly_name: string;
  address?: string;
  port?: number;
  gateway_id?: string | null;
  labels?: string[];
}

/** Shown once: the daemon keeps only a hash of the key. */
export interface Credentials {
  api_id: string;
  api_key: string;
}

/** What a provisioning key is to be good for. */
export interface NewEnrolment {
  uses: number;
  /** A duration, such as 1h. */
  expires: string;
  approve: boolean;
  labels?: string[];
  /** From where it may be used; everywhere when empty. */
  networks?: string[];
}

export interface Enrolment {
  token: string;
  expires_at: string;
  install: { url: string; ca_fingerprint: string; command: string; manual: string };
}

export interface Trust {
  ca_pem: string;
  ca_fingerprint: string;
  names: string[];
}

export interface TerminalSession {
  id: string;
  host_id: string;
  host_name: string;
  user: string;
  /** Opened by the person who asks. */
  mine: boolean;
  mode: ConnectionMode;
  username: string;
  /** `detached`: it runs, and no page shows it. */
  state: "open" | "detached" | "ended";
  started_at: string;
  ended_at: string | null;
  end_reason: string | null;
  host_key: HostKeyState | null;
  /** Its size, as far as it was told. */
  cols: number | null;
  rows: number | null;
  last_output_at: string | null;
  /** When a detached one ends by itself. */
  expires_at?: string | null;
}

/** What a page needs to know of a session to show it. */
export type Attachable = Pick<
  TerminalSession,
  "id" | "host_id" | "host_name" | "mode" | "username" | "cols" | "rows"
>;

export interface Account {
  id: string;
  username: string;
  disabled: boolean;
  /** Whether the account belongs to another tenant. */
  guest: boolean;
  roles: string[];
  grants: Grant[];
  last_login_at: string | null;
}

export interface AuditEntry {
  seq: number;
  at: string;
  actor: string | null;
  action: string;
  object: string | null;
  source: string | null;
  outcome: string;
  detail: unknown;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

/** One message of the event socket, topic `hosts`. */
export type HostEvent =
  | { kind: "added" | "changed" | "presence" | "first_report"; host: Host }
  | { kind: "removed"; host_id: string }
  | { kind: "container"; host_id: string }
  /** What the host itself says that happened on it. */
  | { kind: "event"; host_id: string };

export interface Envelope {
  topic: string;
  seq: number;
  id: string;
  at: string;
  data: HostEvent;
}

export interface Gap {
  topic: string;
  gap: { from: number; to: number };
}

export const TERMINAL_SUBPROTOCOL = "gangplank.terminal.v1";

export type ConnectionMode = "direct" | "proxy" | "pty";

export type HostKeyState = "attested" | "pinned" | "accepted" | "unverified" | "none";

/** What a page asks of a terminal socket. */
export interface Connect {
  type: "connect";
  connection_mode: ConnectionMode;
  username?: string;
  password?: string;
  privateKey?: string;
  passphrase?: string;
  terminal: string;
  cols: number;
  rows: number;
  proxy_host?: string;
  proxy_port?: number;
  accept_host_key?: string;
  resume?: { session_id: string; offset: number };
}

export type FromPage =
  | Connect
  | { type: "resize"; cols: number; rows: number }
  | { type: "ack"; offset: number }
  | { type: "answers"; answers: string[] }
  | { type: "latency"; id: number }
  | { type: "keepalive" }
  | { type: "disconnect" };

export const ERROR_CODES = [
  "auth_failed",
  "host_key_changed",
  "host_key_unknown",
  "unreachable",
  "timeout",
  "agent_offline",
  "not_allowed",
  "bad_request",
  "already_connected",
  "no_such_session",
  "internal",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export interface Prompt {
  text: string;
  echo: boolean;
}

export interface TerminalError {
  code: ErrorCode;
  message: string;
  key_type?: string;
  fingerprint?: string;
}

export interface Connected {
  session_id: string;
  /** Where output goes on. */
  offset: number;
  /** Input that the terminal has. */
  input_offset: number;
  resumed: boolean;
  host_key: HostKeyState | null;
  /** Where output ended at that moment: another page may have shown what comes before. */
  replay_to?: number;
}

/** How long the daemon and what lies behind it took over a word, in microseconds. */
export interface LatencyReport {
  id: number;
  daemon_us: number;
  agent_us: number | null;
  host_us: number | null;
}

export type ToPage =
  | ({ type: "connected" } & Connected)
  | { type: "ack"; input_offset: number }
  | { type: "gap"; from: number; to: number }
  | { type: "prompt"; name?: string; instructions?: string; prompts: Prompt[] }
  | { type: "idle"; closes_in: number }
  | { type: "approval"; approval_id: string; state: string; expires_at: string }
  | ({ type: "latency" } & LatencyReport)
  | ({ type: "error" } & TerminalError)
  | { type: "closed"; exit_status?: number; signal?: string; reason?: string };
