/** Keys of the terminal page. They all take Ctrl+Shift or Alt+Page, which programs rarely use. */

export type TerminalKey =
  | "copy"
  | "paste"
  | "search"
  | "larger"
  | "smaller"
  | "next"
  | "previous"
  | "leave"
  | "detach";

interface KeyLike {
  type: string;
  key: string;
  code: string;
  ctrlKey: boolean;
  shiftKey: boolean;
  altKey: boolean;
  metaKey: boolean;
}

const CTRL_SHIFT: Readonly<Record<string, TerminalKey>> = {
  KeyC: "copy",
  KeyV: "paste",
  KeyF: "search",
  KeyS: "leave",
  KeyD: "detach",
  Equal: "larger",
  NumpadAdd: "larger",
  Minus: "smaller",
  NumpadSubtract: "smaller",
};

/** What a key means to the page; undefined when it belongs to the program in the terminal. */
export function terminalKey(event: KeyLike): TerminalKey | undefined {
  if (event.metaKey) return undefined;
  // By position, since Shift changes what the key is called; letters by name, for other layouts.
  if (event.ctrlKey && event.shiftKey && !event.altKey) {
    const letter = /^[a-z]$/i.test(event.key) ? `Key${event.key.toUpperCase()}` : event.code;
    return CTRL_SHIFT[letter];
  }
  if (event.altKey && !event.ctrlKey && !event.shiftKey) {
    if (event.key === "PageDown") return "next";
    if (event.key === "PageUp") return "previous";
  }
  return undefined;
}

/** For the help dialog. */
export const KEY_HELP: readonly [string, string][] = [
  ["Ctrl+Shift+C", "Copy what is selected"],
  ["Ctrl+Shift+V", "Paste"],
  ["Ctrl+Shift+F", "Search in the output"],
  ["Ctrl+Shift+Plus / Minus", "Larger or smaller letters"],
  ["Alt+PageDown / PageUp", "Next or previous terminal"],
  ["Ctrl+Shift+S", "Leave the terminal for the tabs"],
  ["Ctrl+Shift+D", "Detach: close the tab, and leave the terminal running"],
];
