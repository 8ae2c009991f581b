/** Sockets and frames in words. */
import type { Ending, Frame, Inspection, OpenSocket } from "./wire";

export const KINDS: Readonly<Record<Frame["kind"], string>> = {
  text: "text",
  binary: "binary",
  ping: "ping",
  pong: "pong",
  close: "close",
};

const ENDINGS: Readonly<Record<Ending, string>> = {
  time_over: "The time is over.",
  ended: "You ended it.",
  socket_closed: "The socket was closed.",
  denied: "It was denied.",
  expired: "Nobody approved it in time.",
  cancelled: "The request was taken back.",
  not_allowed: "You may not look into sockets any more.",
  failed: "The daemon could not go on with it.",
};

/** Why nothing more comes. */
export function ending({ ended, message }: Inspection): string {
  const words = (ended && ENDINGS[ended]) || "It is over.";
  return message ? `${words} ${message}` : words;
}

/** What a socket is for, by its route. */
export function purpose(path: string): string {
  if (path.includes("/agents/ws")) return "Agent";
  if (path.includes("terminal")) return "Terminal";
  if (path.includes("/ws/")) return "Events";
  return "Other";
}

/** Whose a socket is, by name where there is one. */
export function whose(socket: OpenSocket, hostName: (id: string) => string | undefined): string {
  if (socket.user) return socket.user;
  if (!socket.host_id) return "unknown";
  return `the agent of ${hostName(socket.host_id) ?? socket.host_id}`;
}

/** What has a short name of its own. */
const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must not act here
const UNFIT = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Text in which nothing controls anything: what is no letter is written as its number. */
export function escaped(text: string): string {
  return text
    .replaceAll("\\", "\\\\")
    .replace(UNFIT, (c) => NAMED[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Hex digits in pairs. */
const pairs = (hex: string): string => hex.replace(/../g, "$& ").trimEnd();

/** The beginning of a frame's payload as it is shown; nothing where contents are not granted. */
export function shown(frame: Frame, asHex: boolean): string {
  const { content, hex, size } = frame;
  if (content === undefined) return "";
  const bytes = new TextEncoder().encode(content);
  const written = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const digits = hex ?? written;
  const text = asHex ? pairs(digits) : escaped(content);
  return digits.length / 2 < size ? `${text} …` : text;
}

/** A number of bytes. */
export const bytes = (size: number): string => (size === 1 ? "1 byte" : `${size} bytes`);
