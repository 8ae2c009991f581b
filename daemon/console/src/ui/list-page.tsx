/** A page that is a list: its rows have buttons, and the buttons open dialogs. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { PageName } from "../route";
import type { Page } from "../wire";
import { Crumbs } from "./crumbs";
import { Icon } from "./icon";
import type { Listed } from "./load";
import { Loading, Problem } from "./notice";
import { type Action, type Column, Table } from "./table";

/** What a dialog of a list is given. */
export interface Opened {
  onClose: () => void;
  /** Closes it, or opens the next one, and loads the list anew. */
  onDone: (next?: Opens) => void;
}

export type Opens = (at: Opened) => ComponentChildren;

/** A button of a row that opens a dialog, or does something without asking. */
export type RowAction = Omit<Action, "does"> &
  ({ opens: Opens } | { does: () => Promise<unknown> });

interface Props<P extends Page<unknown>> {
  title: string;
  crumb?: { to: PageName; words: string };
  /** What is loaded, such as "policies". */
  what: string;
  list: Listed<P>;
  /** What is said where there is nothing yet. */
  empty?: ComponentChildren;
  /** The button that adds; absent where the person may not. */
  add?: { words: string; opens: Opens } | undefined;
  /** Beside the heading. */
  head?: ComponentChildren;
  columns: readonly [Column<P["items"][number]>, ...Column<P["items"][number]>[]];
  id: (item: P["items"][number]) => string;
  name: (item: P["items"][number]) => string;
  actions?: ((item: P["items"][number]) => readonly RowAction[]) | undefined;
}

/** The button that switches something on or off. */
export const switching = (
  { name, enabled }: { name: string; enabled: boolean },
  change: (body: { enabled: boolean }) => Promise<unknown>,
): RowAction => ({
  words: enabled ? "Switch off" : "Switch on",
  label: `Switch ${enabled ? "off" : "on"} ${name}`,
  does: () => change({ enabled: !enabled }),
});

export function ListPage<P extends Page<unknown>>(props: Props<P>) {
  const { title, crumb, what, list, empty, add, head, columns, id, name, actions } = props;
  const { items, error, more, reload } = list;
  const [dialog, setDialog] = useState<{ opens: Opens } | null>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  // Whoever pressed a button of a row that is gone now goes on at the top, and not nowhere.
  const acted = useRef(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: other items, other buttons
  useEffect(() => {
    if (acted.current && document.activeElement === document.body) heading.current?.focus();
    acted.current = false;
  }, [items]);
  const renew = () => {
    acted.current = true;
    reload();
  };
  const opened: Opened = {
    onClose: () => setDialog(null),
    onDone(next) {
      setDialog(next ? { opens: next } : null);
      renew();
    },
  };
  const buttonOf = (action: RowAction): Action =>
    "opens" in action
      ? { ...action, does: () => setDialog({ opens: action.opens }) }
      : {
          ...action,
          does: () =>
            action
              .does()
              .then(() => {})
              .finally(renew),
        };
  return (
    <div class="page">
      {crumb && <Crumbs {...crumb} />}
      <header class="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {head}
        {add && (
          <button type="button" class="primary" onClick={() => setDialog({ opens: add.opens })}>
            <Icon name="add" /> {add.words}
          </button>
        )}
      </header>
      {error && <Problem>{error}</Problem>}
      {!items && !error && <Loading what={what} />}
      {items?.length === 0 && (
        <div class="empty">
          <p>{empty}</p>
        </div>
      )}
      {items && items.length > 0 && (
        <Table
          columns={columns}
          items={items}
          id={id}
          name={name}
          {...(actions ? { actions: (item) => actions(item).map(buttonOf) } : {})}
        />
      )}
      {more && (
        <button type="button" onClick={more}>
          Show more
        </button>
      )}
      {dialog?.opens(opened)}
    </div>
  );
}
