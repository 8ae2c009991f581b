/** What this browser remembers. Never a secret. */
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

function read(key: string): string | null {
  try {
    return localStorage.getItem(`gangplank.${key}`);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(`gangplank.${key}`, value);
  } catch {
    // Storage may be forbidden or full; then the choice lasts until the page is closed.
  }
}

const stored = read("theme");
export const theme = signal<Theme>(stored === "light" || stored === "dark" ? stored : "system");

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const systemIsDark = signal(systemDark.matches);
systemDark.addEventListener("change", (event) => {
  systemIsDark.value = event.matches;
});

/** Whether dark colours are shown now. */
export const dark = () =>
  theme.value === "dark" || (theme.value === "system" && systemIsDark.value);

effect(() => {
  document.documentElement.dataset.theme = dark() ? "dark" : "light";
  write("theme", theme.value);
});

export const FONT_SIZE = { least: 8, usual: 14, most: 32 } as const;
const storedSize = Number(read("font-size") ?? FONT_SIZE.usual);
export const fontSize = signal(
  storedSize >= FONT_SIZE.least && storedSize <= FONT_SIZE.most ? storedSize : FONT_SIZE.usual,
);
effect(() => write("font-size", String(fontSize.value)));

/** Makes the terminal's letters larger or smaller by one step. */
export function changeFontSize(step: number): void {
  fontSize.value = Math.min(FONT_SIZE.most, Math.max(FONT_SIZE.least, fontSize.value + step));
}

/** Whether terminals say their output to screen readers, which costs time with much output. */
export const readAloud = signal(read("read-aloud") === "true");
effect(() => write("read-aloud", String(readAloud.value)));

/** The tenant that was last named at a login here; empty for one's own. */
export const lastTenant = (): string => read("tenant") ?? "";
export const rememberTenant = (tenant: string): void => write("tenant", tenant);

/** How a person last connected to a host: the way and the user name, nothing secret. */
export interface LastConnection {
  mode: string;
  username: string;
}

export function lastConnection(hostId: string): LastConnection | null {
  try {
    const value: unknown = JSON.parse(read(`last.${hostId}`) ?? "null");
    if (typeof value !== "object" || value === null) return null;
    if (!("mode" in value) || !("username" in value)) return null;
    return { mode: String(value.mode), username: String(value.username) };
  } catch {
    return null;
  }
}

export function rememberConnection(hostId: string, mode: string, username: string): void {
  write(`last.${hostId}`, JSON.stringify({ mode, username }));
}
