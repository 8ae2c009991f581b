/** Short messages at the foot of the page, read out by screen readers. */
import { signal } from "@preact/signals";

interface Toast {
  id: number;
  text: string;
  bad: boolean;
}

const toasts = signal<Toast[]>([]);
let last = 0;

function show(text: string, bad: boolean): void {
  const id = ++last;
  toasts.value = [...toasts.value.slice(-3), { id, text, bad }];
  setTimeout(() => drop(id), bad ? 8_000 : 4_000);
}

function drop(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

export const say = (text: string) => show(text, false);

/** Shows why something failed. */
export function complain(error: unknown): void {
  show(error instanceof Error ? error.message : String(error), true);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ id, text, bad }) => (
        <div key={id} class={bad ? "toast bad" : "toast"}>
          {text}
        </div>
      ))}
    </div>
  );
}
