/** Security events in words. */
import type { Kind, Severity, Standing } from "./wire";

export const KINDS: Readonly<Record<Kind, string>> = {
  source_slowed: "Address slowed",
  source_blocked: "Address blocked",
  source_closed: "Address not answered",
  login_standing: "Login",
  summary: "Summary",
};

export const SEVERITIES: Readonly<Record<Severity, [words: string, tone: string]>> = {
  info: ["Info", "idle"],
  warning: ["Warning", "warn"],
  high: ["High", "bad"],
};

export const STANDINGS: Readonly<Record<Standing, [words: string, tone: string]>> = {
  idle: ["Idle", "idle"],
  active: ["Active", "good"],
  monitored: ["Monitored", "warn"],
  suspicious: ["Suspicious", "bad"],
  terminated: ["Ended", "idle"],
};

/** `bad_credential` as people read it. */
export function plain(name: string): string {
  return name.replaceAll("_", " ");
}

/** A piece of evidence in one line; whatever it is, it stays text. */
export function evidenceText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(evidenceText).join(", ");
  if (typeof value === "object") {
    return Object.entries(value)
      .map(([name, count]) => `${plain(name)} ${evidenceText(count)}×`)
      .join(", ");
  }
  return String(value);
}
