/** Which alerts are meant, by what the person searches for and has chosen. */
import type { StoredAlert } from "./wire";

export interface Filter {
  words: string;
  severity: string;
}

/** Whether an alert has all of the words somewhere, and the severity. */
export function matches(alert: StoredAlert, { words, severity }: Filter): boolean {
  if (severity !== "" && alert.severity.toLowerCase() !== severity) return false;
  const text = [alert.title, alert.source, alert.id, ...alert.mitre_techniques]
    .concat(alert.iocs.map((one) => (typeof one === "string" ? one : JSON.stringify(one))))
    .join(" ")
    .toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** The same choice with one put in, or taken out. */
export function toggled(chosen: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(chosen);
  if (!next.delete(id)) next.add(id);
  return next;
}
