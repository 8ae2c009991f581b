/** A button of the bar that opens a list of links below itself. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { route } from "../route";

interface Props {
  /** What the button says. */
  label: ComponentChildren;
  /** Whether the page that is shown is in the list. */
  current: boolean;
  /** The links. */
  children: ComponentChildren;
}

const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1 };

export function Menu({ label, current, children }: Props) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const place = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  // Whoever has arrived needs it no more.
  const address = route.value;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page closes the list
  useEffect(() => setOpen(false), [address]);
  useEffect(() => {
    if (!open) return;
    const outside = ({ target }: Event) => {
      if (target instanceof Node && !place.current?.contains(target)) setOpen(false);
    };
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, [open]);
  /** Goes to another link, round and round. */
  const step = (by: number) => {
    const links = [...(place.current?.querySelectorAll("a") ?? [])];
    const at = links.findIndex((link) => link.matches(":focus"));
    const from = at < 0 && by < 0 ? 0 : at;
    links.at((from + by) % links.length)?.focus();
  };
  const keys = (event: KeyboardEvent) => {
    if (event.key === "Escape" && open) {
      setOpen(false);
      button.current?.focus();
      return;
    }
    const by = STEPS[event.key];
    if (by === undefined) return;
    event.preventDefault();
    setOpen(true);
    // A list that was closed is there in a moment.
    requestAnimationFrame(() => step(by));
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: keys of the button and links within
    <div
      ref={place}
      class="menu"
      onKeyDown={keys}
      onFocusOut={({ relatedTarget }) => {
        if (relatedTarget instanceof Node && !place.current?.contains(relatedTarget))
          setOpen(false);
      }}
    >
      <button
        ref={button}
        type="button"
        class={current ? "menu-button current" : "menu-button"}
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
      >
        {label}
      </button>
      <div id={id} class="menu-list" hidden={!open}>
        {children}
      </div>
    </div>
  );
}
