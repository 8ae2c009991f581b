/** A dialog that is filled in and sent. */
import type { ComponentChildren } from "preact";
import { useBusy } from "./busy";
import { Dialog } from "./dialog";
import { Problem } from "./notice";

interface FormProps {
  /** What the button says: the action. */
  action: string;
  onClose: () => void;
  /** Sends what the fields say; whoever calls closes the dialog. */
  submit: (data: FormData) => Promise<void>;
  children: ComponentChildren;
  danger?: boolean;
  /** Something is missing without which it can't be sent. */
  unready?: boolean;
  /** What the button says while it is sent. */
  meanwhile?: string;
}

/** The text that a field holds, as it was typed. */
export const text = (data: FormData, name: string): string => String(data.get(name) ?? "");

/** The same without the blanks around it. */
export const trimmed = (data: FormData, name: string): string => text(data, name).trim();

/** What is in such a dialog, where the dialog holds more than one. */
export function DialogForm(props: FormProps) {
  const { action, onClose, submit, children, danger, unready, meanwhile } = props;
  const { busy, error, run } = useBusy();
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    run(() => submit(data));
  };
  return (
    <form onSubmit={send}>
      <div class="dialog-body">
        {error && <Problem>{error}</Problem>}
        {children}
      </div>
      <footer class="dialog-foot">
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <button type="submit" class={danger ? "danger" : "primary"} disabled={busy || unready}>
          {busy && meanwhile ? meanwhile : action}
        </button>
      </footer>
    </form>
  );
}

export function FormDialog({
  title,
  wide,
  ...form
}: FormProps & { title: string; wide?: boolean }) {
  return (
    <Dialog title={title} onClose={form.onClose} wide={wide ?? false}>
      <DialogForm {...form} />
    </Dialog>
  );
}
