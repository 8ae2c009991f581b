/** Events as the feed shows them: the same few columns, whatever the channel. */
import {
  type Alert,
  agentThoughts,
  alerts,
  approvals,
  type Fields,
  type Parser,
  receipts,
  type SecurityMessage,
  security,
  vpn,
} from "gangplank-client";
import { bytesOf, readable } from "../jobs/output";
import { may } from "../session";

/** What a row shows of an event. */
export interface Shown {
  /** What kind of event it is, in a word. */
  type: string;
  severity: string | null;
  text: string;
  host: { id: string; name: string } | null;
  case: string | null;
}

export interface Entry extends Shown {
  seq: number;
  at: string;
  /** All that came. */
  json: string;
}

/** Characters of what a tool printed that a row shows. */
const PRINTED = 400;

/** Characters of any text that a row shows; opened, it shows all. */
const SHOWN = 1_000;

const text = (from: Fields, name: string): string | null => {
  const value = from[name];
  return typeof value === "string" && value !== "" ? value : null;
};

const words = (...parts: readonly (string | null)[]): string =>
  parts.filter((part) => part !== null && part !== "").join(" · ");

function hostOf(from: Fields): Shown["host"] {
  const id = text(from, "host_id");
  return id === null ? null : { id, name: text(from, "host_name") ?? id };
}

function securityEntry({ type, data }: SecurityMessage): Shown {
  if (type === "tool_output") {
    const printed = new TextDecoder().decode(bytesOf(data.data)).slice(0, PRINTED);
    return {
      type: "tool output",
      severity: null,
      text: words(data.tool, data.state, printed.trim()),
      host: { id: data.host_id, name: data.host_name },
      case: data.case_id,
    };
  }
  const title = text(data, "title") ?? text(data, "message") ?? text(data, "state");
  return {
    type,
    severity: text(data, "severity"),
    text: title ?? JSON.stringify(data),
    host: hostOf(data),
    case: text(data, "case_id"),
  };
}

const alertEntry = (alert: Alert): Shown => ({
  type: alert.status,
  severity: alert.severity,
  text: words(alert.title, alert.source),
  host: null,
  case: null,
});

/** A channel that can be looked at. */
export interface Channel {
  words: string;
  permission: string;
  /** Makes a row of an event, or throws when it is none of the channel. */
  show: Parser<Shown>;
}

function then<T>(parse: Parser<T>, show: (value: T) => Shown): Parser<Shown> {
  return (value) => show(parse(value));
}

const object: Parser<Fields> = (value) => {
  if (typeof value !== "object" || value === null) throw new Error("that is no object");
  return value as Fields;
};

export const FEEDS = {
  security: { words: "Security", permission: "ws:security", show: then(security, securityEntry) },
  vpn: {
    words: "Terminals and tunnels",
    permission: "ws:vpn",
    show: then(vpn, ({ data }) => ({
      type: data.state,
      severity: data.state === "error" ? "medium" : null,
      text: words(
        text(data.more, "mode"),
        text(data.more, "user"),
        text(data.more, "reason") ?? text(data.more, "code"),
      ),
      host: { id: data.host_id, name: text(data.more, "host_name") ?? data.host_id },
      case: null,
    })),
  },
  alerts: { words: "Alerts", permission: "ws:alerts", show: then(alerts, alertEntry) },
  agent_thoughts: {
    words: "Agent thoughts",
    permission: "ws:agent_thoughts",
    show: then(agentThoughts, (thought) => ({
      type: thought.agent,
      severity: null,
      text: words(thought.action, `${thought.duration_ms} ms`),
      host: hostOf(thought.details),
      case: thought.case_id,
    })),
  },
  approvals: {
    words: "Approvals",
    permission: "approvals:manage",
    show: then(approvals, (approval) => ({
      type: approval.status,
      severity: approval.risk_level,
      text: words(approval.action, `asked by ${approval.requested_by}`),
      host: hostOf(approval.context),
      case: approval.case_id,
    })),
  },
  receipts: {
    words: "Receipts",
    permission: "cases:read",
    show: then(receipts, ({ receipt, case_id, network_attack_id }) => ({
      type: text(receipt, "kind") ?? "receipt",
      severity: null,
      text: words(
        text(receipt, "command"),
        text(receipt, "tool"),
        text(receipt, "state"),
        network_attack_id,
      ),
      host: hostOf(receipt),
      case: case_id,
    })),
  },
  jobs: {
    words: "Jobs",
    permission: "jobs:read",
    show: then(object, (job) => ({
      type: text(job, "state") ?? text(job, "kind") ?? "job",
      severity: text(job, "state") === "failed" ? "medium" : null,
      text: words(text(job, "command"), text(job, "subject"), text(job, "error")),
      host: hostOf(job),
      case: null,
    })),
  },
  hosts: {
    words: "Hosts",
    permission: "hosts:read",
    show: then(object, (event) => {
      const host = object(event.host ?? {});
      const status = object(host.status ?? {});
      const id = text(host, "id") ?? text(event, "host_id");
      return {
        type: text(event, "kind") ?? "host",
        severity: null,
        text: words(text(status, "state"), text(status, "reason")),
        host: id === null ? null : { id, name: text(host, "friendly_name") ?? id },
        case: null,
      };
    }),
  },
} as const satisfies Record<string, Channel>;

export type FeedName = keyof typeof FEEDS;

const NAMES = Object.keys(FEEDS) as FeedName[];

/** Channels that the person may see. */
export const offered = (): FeedName[] => NAMES.filter((name) => may(FEEDS[name].permission));

/** A row of an event, all of it as text that can be read. */
export function entryOf(seq: number, at: string, shown: Shown, data: unknown): Entry {
  return {
    seq,
    at,
    json: JSON.stringify(data),
    type: readable(shown.type),
    severity: shown.severity === null ? null : readable(shown.severity),
    text: readable(shown.text.slice(0, SHOWN)),
    host: shown.host && { id: shown.host.id, name: readable(shown.host.name) },
    case: shown.case === null ? null : readable(shown.case),
  };
}
