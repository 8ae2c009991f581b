/**
 * What a browser tab remembers of its terminals, so that they are there again when the page is
 * loaded again. Names and ids; no contents, no secrets.
 */
import type { Attachable, ConnectionMode } from "../wire";

export interface Memory {
  /** Whose terminals they are. */
  user: string;
  /** In the order of their tabs. */
  terminals: Attachable[];
  /** The session that was looked at. */
  active: string | null;
}

const KEY = "gangplank.terminals";

export function remember(memory: Memory): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(memory));
  } catch {
    // Storage may be forbidden; then the terminals are still found in the list of the daemon.
  }
}

export function forget(): void {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // What can't be removed could not be put there.
  }
}

/** What was remembered for this user. Somebody else's is forgotten. */
export function recall(user: string): Memory | null {
  let value: unknown;
  try {
    value = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  } catch {
    return null;
  }
  if (!isRecord(value) || value.user !== user || !Array.isArray(value.terminals)) {
    forget();
    return null;
  }
  const { active } = value;
  return {
    user,
    terminals: value.terminals.map(terminal).filter((found) => found !== null),
    active: typeof active === "string" ? active : null,
  };
}

const MODES: readonly unknown[] = ["pty", "proxy", "direct"] satisfies ConnectionMode[];

function terminal(value: unknown): Attachable | null {
  if (!isRecord(value)) return null;
  const { id, host_id, host_name, mode, username, cols, rows } = value;
  for (const text of [id, host_id, host_name, username]) if (typeof text !== "string") return null;
  if (!MODES.includes(mode) || !isSize(cols) || !isSize(rows)) return null;
  return { id, host_id, host_name, mode, username, cols, rows } as Attachable;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

const isSize = (value: unknown): boolean => Number.isInteger(value) && Number(value) > 0;
