/** What is said on each channel. All of it may come from strangers: text is text, never markup. */
import {
  type Fields,
  fields,
  number,
  object,
  optional,
  type Parser,
  text,
  texts,
  Unreadable,
  word,
} from "./parse.ts";

/** An indicator of compromise: a text, or an object that says of which kind it is. */
export type Indicator = string | Fields;

export interface Alert {
  /** The same id again is the same alert, changed. */
  id: string;
  title: string;
  severity: string;
  status: string;
  source: string;
  iocs: Indicator[];
  /** Ids such as `T1110`. */
  mitre_techniques: string[];
  timestamp: string;
}

function indicators(from: Fields, name: string): Indicator[] {
  const list = from[name];
  if (!Array.isArray(list)) throw new Unreadable(name);
  return list.map((one: unknown) => (typeof one === "string" ? one : fields(one, name)));
}

export const alerts: Parser<Alert> = (value) => {
  const from = fields(value);
  return {
    id: text(from, "id"),
    title: text(from, "title"),
    severity: text(from, "severity"),
    status: text(from, "status"),
    source: text(from, "source"),
    iocs: indicators(from, "iocs"),
    mitre_techniques: texts(from, "mitre_techniques"),
    timestamp: text(from, "timestamp"),
  };
};

/** A frame of what a tool printed that was run for a case; the last one has the job's state. */
export interface ToolOutput {
  case_id: string;
  job_id: string;
  host_id: string;
  host_name: string;
  tool: string;
  attempt: number;
  /** Counts from 0; the last word of a tool has none. */
  frame: number | null;
  /** Where its bytes begin in all that was printed. */
  offset: number;
  /** Bytes, in base64. */
  data: string;
  /** How the tool ended, once it has. */
  state: string | null;
}

export type SecurityMessage =
  | { type: "alert"; data: Fields }
  | { type: "investigation"; data: Fields }
  | { type: "tool_output"; data: ToolOutput };

const toolOutput = (from: Fields): ToolOutput => ({
  case_id: text(from, "case_id"),
  job_id: text(from, "job_id"),
  host_id: text(from, "host_id"),
  host_name: text(from, "host_name"),
  tool: text(from, "tool"),
  attempt: number(from, "attempt"),
  frame: optional(from, "frame", number),
  offset: number(from, "offset"),
  data: text(from, "data"),
  state: optional(from, "state", text),
});

export const security: Parser<SecurityMessage> = (value) => {
  const from = fields(value);
  const type = word(from, "type", ["alert", "investigation", "tool_output"]);
  const data = object(from, "data");
  return type === "tool_output" ? { type, data: toolOutput(data) } : { type, data };
};

const SESSION_STATES = ["connecting", "connected", "disconnected", "error"] as const;

export interface VpnMessage {
  type: "session";
  data: {
    session_id: string;
    host_id: string;
    state: (typeof SESSION_STATES)[number];
    /** Whatever else there is to say of it. */
    more: Fields;
  };
}

export const vpn: Parser<VpnMessage> = (value) => {
  const from = fields(value);
  const { session_id: _id, host_id: _host, state: _state, ...more } = object(from, "data");
  const data = object(from, "data");
  return {
    type: word(from, "type", ["session"]),
    data: {
      session_id: text(data, "session_id"),
      host_id: text(data, "host_id"),
      state: word(data, "state", SESSION_STATES),
      more,
    },
  };
};

export interface Thought {
  agent: string;
  action: string;
  case_id: string | null;
  details: Fields;
  duration_ms: number;
  timestamp: string;
}

export const agentThoughts: Parser<Thought> = (value) => {
  const from = fields(value);
  return {
    agent: text(from, "agent"),
    action: text(from, "action"),
    case_id: optional(from, "case_id", text),
    details: object(from, "details"),
    duration_ms: number(from, "duration_ms"),
    timestamp: text(from, "timestamp"),
  };
};

export interface Approval {
  id: string;
  action: string;
  case_id: string | null;
  risk_level: string;
  status: string;
  requested_by: string;
  context: Fields;
  requested_at: string;
  expires_at: string | null;
}

export const approvals: Parser<Approval> = (value) => {
  const from = fields(value);
  return {
    id: text(from, "id"),
    action: text(from, "action"),
    case_id: optional(from, "case_id", text),
    risk_level: text(from, "risk_level"),
    status: text(from, "status"),
    requested_by: text(from, "requested_by"),
    context: object(from, "context"),
    requested_at: text(from, "requested_at"),
    expires_at: optional(from, "expires_at", text),
  };
};

export interface Receipt {
  event: "investigation_receipt_updated";
  timestamp: string;
  case_id: string;
  network_attack_id: string | null;
  receipt: Fields;
  case: Fields;
  network_attack: Fields;
}

export const receipts: Parser<Receipt> = (value) => {
  const from = fields(value);
  return {
    event: word(from, "event", ["investigation_receipt_updated"]),
    timestamp: text(from, "timestamp"),
    case_id: text(from, "case_id"),
    network_attack_id: optional(from, "network_attack_id", text),
    receipt: object(from, "receipt"),
    case: object(from, "case"),
    network_attack: object(from, "network_attack"),
  };
};

/** Channels that have a socket of their own: where it is, and what is said there. */
export const CHANNELS = {
  security: { path: "api/ws/security", parse: security },
  vpn: { path: "api/ws/vpn", parse: vpn },
  alerts: { path: "api/v1/ws/alerts", parse: alerts },
  agent_thoughts: { path: "api/v1/ws/agent-thoughts", parse: agentThoughts },
  approvals: { path: "api/v1/ws/approvals", parse: approvals },
  receipts: { path: "api/v1/ws/investigation-receipts", parse: receipts },
} as const;

export type ChannelName = keyof typeof CHANNELS;

/** What is said on a channel. */
export type Message<C extends ChannelName> = ReturnType<(typeof CHANNELS)[C]["parse"]>;
