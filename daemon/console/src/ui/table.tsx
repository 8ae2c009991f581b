/** A table that becomes a stack of cards on a phone. */
import type { ComponentChildren } from "preact";
import { useBusy } from "./busy";
import { complain } from "./toast";

export interface Column<T> {
  head: string;
  cell: (item: T) => ComponentChildren;
  /** Long text breaks anywhere. */
  wrap?: boolean;
  quiet?: boolean;
}

/** A button of a row. */
export interface Action {
  words: string;
  /** What a screen reader says, which knows no row; the words and the row's name when absent. */
  label?: string;
  danger?: boolean;
  /** What it does. It waits for it, and says why it failed. */
  does: () => void | Promise<void>;
}

interface Props<T> {
  /** The first names the row. */
  columns: readonly [Column<T>, ...Column<T>[]];
  items: readonly T[];
  id: (item: T) => string | number;
  caption?: string;
  class?: string;
  /** What is done with a row, and what it is called there. */
  actions?: (item: T) => readonly Action[];
  name?: (item: T) => string;
}

function ActionButton({ action, of }: { action: Action; of: string }) {
  const { busy, run } = useBusy();
  const { words, label, danger, does } = action;
  return (
    <button
      type="button"
      class={danger ? "small danger" : "small"}
      disabled={busy}
      aria-label={label ?? `${words} ${of}`}
      onClick={() => {
        const doing = does();
        if (doing) run(() => doing.catch(complain));
      }}
    >
      {words}
    </button>
  );
}

export function Table<T>({ columns, items, id, caption, class: more, actions, name }: Props<T>) {
  const [first, ...rest] = columns;
  const look = ({ wrap, quiet }: Column<T>) =>
    [wrap && "wrap", quiet && "quiet"].filter(Boolean).join(" ") || undefined;
  return (
    <table class={more ? `stack ${more}` : "stack"}>
      {caption && <caption class="unseen">{caption}</caption>}
      <thead>
        <tr>
          {columns.map(({ head }) => (
            <th key={head} scope="col">
              {head}
            </th>
          ))}
          {actions && (
            <th scope="col">
              <span class="unseen">Actions</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {items.map((item) => (
          <tr key={id(item)}>
            <th scope="row" class={look(first)}>
              {first.cell(item)}
            </th>
            {rest.map((column) => (
              <td key={column.head} data-label={column.head} class={look(column)}>
                {column.cell(item)}
              </td>
            ))}
            {actions && (
              <td class="actions">
                {actions(item).map((action) => (
                  <ActionButton key={action.words} action={action} of={name?.(item) ?? ""} />
                ))}
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
