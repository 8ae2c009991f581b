/** Plain words for requests for approval. */
import type { Approval, ApprovalStatus, Policy, Risk } from "./wire";

export const RISKS: readonly Risk[] = ["low", "medium", "high", "critical"];

export const STATUS: Readonly<Record<ApprovalStatus, [words: string, tone: string]>> = {
  pending: ["Waits", "busy"],
  approved: ["Approved", "good"],
  denied: ["Denied", "bad"],
  expired: ["Expired", "warn"],
  used: ["Approved and done", "good"],
  cancelled: ["Taken back", "idle"],
};

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** What is asked for, in a line. */
export function what({ action, object, context, payload }: Approval): string {
  const host = text(context.host_name) || object;
  const command = text(context.command) || text(payload.command);
  const tool = text(context.tool);
  switch (action) {
    case "command":
      return `${tool ? `${command} ${tool}` : command || action} on ${host}`;
    case "batch":
      return `${tool ? `${command} ${tool}` : command} on ${Number(context.hosts) || "many"} hosts`;
    case "terminal":
      return `A terminal on ${host}${text(payload.username) && ` as ${text(payload.username)}`}`;
    case "inspection":
      return `The contents of a socket of ${text(context.whose) || `the agent of ${host}`}`;
    default:
      return `${action} on ${object}`;
  }
}

/** What a policy is about, in a line. */
export function about(policy: Policy): string {
  const parts = [
    policy.commands.length > 0 && policy.commands.join(", "),
    policy.tools.length > 0 && `tools ${policy.tools.join(", ")}`,
    policy.terminals.length > 0 && `terminals (${policy.terminals.join(", ")})`,
  ].filter(Boolean);
  return parts.length > 0 ? parts.join("; ") : "every command and terminal";
}

/** For whom and when, in a line. */
export function when({ roles, permissions, hours }: Policy): string {
  const who = [...roles, ...permissions];
  const whom = who.length > 0 ? `for ${who.join(", ")}` : "for everybody";
  return hours ? `${whom}, from ${hours.from} to ${hours.to} (UTC${hours.utc_offset})` : whom;
}
