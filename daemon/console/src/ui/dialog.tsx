/** A modal dialog. The browser keeps focus inside, closes on Escape, and gives focus back. */
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { useBusy } from "./busy";
import { Icon } from "./icon";
import { Problem } from "./notice";

interface Props {
  title: string;
  /** Closed by Escape, the cross or a button of the content. */
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
}

export function Dialog({ title, onClose, children, wide }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const heading = useId();
  // Before anything is drawn, so that no key goes to the page below.
  useLayoutEffect(() => {
    const before = document.activeElement;
    const dialog = ref.current;
    dialog?.showModal();
    // Where there is something to fill in, begin there and not at the cross.
    dialog?.querySelector<HTMLElement>(".field input, .field textarea, .field select")?.focus();
    return () => {
      // Closing gives focus back by itself; taking the element out of the page does not.
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      class={wide ? "dialog wide" : "dialog"}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <header class="dialog-head">
        <h2 id={heading}>{title}</h2>
        <button type="button" class="icon" onClick={onClose} aria-label="Close">
          <Icon name="close" />
        </button>
      </header>
      {children}
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  /** What the button says: the action, not "OK". */
  action: string;
  children: ComponentChildren;
  /** Whoever calls closes the dialog; why it failed is said in it. */
  onConfirm: () => void | Promise<void>;
  onClose: () => void;
  danger?: boolean;
}

/** Asks before something that can't be taken back. */
export function Confirm(props: ConfirmProps) {
  const { title, action, children, onConfirm, onClose, danger = true } = props;
  const { busy, error, run } = useBusy();
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="dialog-body">
        {error && <Problem>{error}</Problem>}
        {children}
      </div>
      <footer class="dialog-foot">
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          class={danger ? "danger" : "primary"}
          disabled={busy}
          onClick={() => run(async () => onConfirm())}
        >
          {action}
        </button>
      </footer>
    </Dialog>
  );
}

/** Shows something that is seen only once. */
export function Shown(props: { title: string; onClose: () => void; children: ComponentChildren }) {
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <div class="dialog-body">{props.children}</div>
      <footer class="dialog-foot">
        <button type="button" class="primary" onClick={props.onClose}>
          Done
        </button>
      </footer>
    </Dialog>
  );
}
