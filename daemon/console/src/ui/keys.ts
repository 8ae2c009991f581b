/** Keys that mean something on a page, while nobody writes or is asked something. */
import { useEffect, useRef } from "preact/hooks";

export type Keys = Readonly<Record<string, () => void>>;

/** Where keys have a meaning of their own. */
const TAKEN = "input:not([type=checkbox]), textarea, select, dialog, .xterm, .menu";

/** Where a key does something with what has the focus. */
const PRESSED: Readonly<Record<string, string>> = {
  " ": "button, input, summary",
  Enter: "button, input, summary, a",
};

export function useKeys(keys: Keys): void {
  const current = useRef(keys);
  current.current = keys;
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const { target, key } = event;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (target instanceof Element && target.closest(TAKEN)) return;
      const pressed = PRESSED[key];
      if (pressed && target instanceof Element && target.closest(pressed)) return;
      const act = current.current[key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}

/** Gives the focus to the next or previous of the rows of a list, which scrolls to it. */
export function stepRow(list: Element | null, by: 1 | -1): void {
  const rows = [...(list?.querySelectorAll<HTMLElement>("[data-row]") ?? [])];
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = at < 0 ? rows[0] : rows[Math.min(rows.length - 1, Math.max(0, at + by))];
  next?.focus();
}
