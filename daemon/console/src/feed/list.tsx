/** The rows of a feed. Only those that are seen are drawn, however many there are. */
import { useCallback, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Entry } from "./entry";
import { Row } from "./row";
import { offsetOf, windowOf } from "./window";

/** The height of a row that was not drawn yet, in pixels. */
const USUAL = 58;

/** Where the list stands in the page's scrolled part. */
interface Place {
  top: number;
  bottom: number;
}

export interface Steps {
  /** Goes to the next row, or the one before. */
  step: (by: 1 | -1) => void;
  /** Opens or closes the row that has the focus. */
  toggle: () => void;
}

interface Props {
  label: string;
  rows: readonly Entry[];
  /** Whether there are more than these. */
  older: boolean;
  busy: boolean;
  /** Somebody reads here: no row may move. */
  onReading: (reading: boolean) => void;
  steps: { current: Steps | null };
}

/** What scrolls around an element. */
const scrollerOf = (list: Element | null): HTMLElement | null => list?.closest("main") ?? null;

/** Which part of the list is seen. */
function placeOf(list: Element | null): Place | null {
  const scroller = scrollerOf(list);
  if (!list || !scroller) return null;
  const top = scroller.getBoundingClientRect().top - list.getBoundingClientRect().top;
  return { top, bottom: top + scroller.clientHeight };
}

export function EntryList({ label, rows, older, busy, onReading, steps }: Props) {
  const list = useRef<HTMLDivElement>(null);
  const heights = useRef(new WeakMap<Entry, number>());
  const [place, setPlace] = useState<Place>({ top: 0, bottom: 2_000 });
  const [, redraw] = useState(0);
  const [opened, setOpened] = useState<ReadonlySet<number>>(new Set());
  /** The row that is to have the focus once it is drawn. */
  const wanted = useRef<number | null>(null);
  const height = (index: number): number => {
    const row = rows[index];
    return (row && heights.current.get(row)) ?? USUAL;
  };
  const { from, to, above, below } = windowOf(rows.length, height, place.top, place.bottom);

  const reading = useRef(onReading);
  reading.current = onReading;
  /** Who has the focus here, or has turned away from the newest, reads. */
  const look = useCallback((focused: Node | null = document.activeElement) => {
    const seen = placeOf(list.current);
    if (!seen) return;
    setPlace((before) =>
      before.top === seen.top && before.bottom === seen.bottom ? before : seen,
    );
    reading.current(seen.top > 0 || list.current?.contains(focused) === true);
  }, []);

  useLayoutEffect(() => {
    const scroller = scrollerOf(list.current);
    if (!list.current || !scroller) return;
    const moved = () => look();
    const size = new ResizeObserver(moved);
    size.observe(list.current);
    size.observe(scroller);
    scroller.addEventListener("scroll", moved, { passive: true });
    return () => {
      size.disconnect();
      scroller.removeEventListener("scroll", moved);
    };
  }, [look]);

  // Rows are as high as their words need: what was drawn is measured.
  useLayoutEffect(() => {
    let changed = false;
    for (const element of list.current?.querySelectorAll<HTMLElement>("[data-row]") ?? []) {
      const row = rows[Number(element.ariaPosInSet) - 1];
      const measured = element.getBoundingClientRect().height;
      if (!row || measured === 0 || heights.current.get(row) === measured) continue;
      heights.current.set(row, measured);
      changed = true;
    }
    if (changed) redraw((turn) => turn + 1);
    if (wanted.current === null) return;
    const row = list.current?.querySelector<HTMLElement>(`[data-row="${wanted.current}"]`);
    if (!row) return;
    wanted.current = null;
    row.focus();
  });

  const here = (): number => {
    const row = document.activeElement?.closest<HTMLElement>("[data-row]");
    return row && list.current?.contains(row) ? Number(row.dataset.row) : -1;
  };
  steps.current = {
    step(by) {
      // A step that is not drawn yet is one all the same.
      const on = wanted.current ?? here();
      const at = rows.findIndex(({ seq }) => seq === on);
      let next = Math.min(rows.length - 1, Math.max(0, at + by));
      // The page may have been scrolled since it was drawn.
      const { top } = placeOf(list.current) ?? place;
      if (at < 0) {
        let edge = 0;
        next = rows.findIndex((_row, index) => {
          edge += height(index);
          return edge > top;
        });
      }
      const row = rows[next];
      if (!row) return;
      wanted.current = row.seq;
      if (next < from || next >= to) {
        const scroller = scrollerOf(list.current);
        scroller?.scrollBy({ top: offsetOf(next, height) - top });
      }
      redraw((turn) => turn + 1);
    },
    toggle() {
      const details = document.activeElement?.querySelector("details");
      if (details && list.current?.contains(details)) details.open = !details.open;
    },
  };
  const toggle = (seq: number, open: boolean) => {
    if (opened.has(seq) === open) return;
    const next = new Set(opened);
    if (open) next.add(seq);
    else next.delete(seq);
    setOpened(next);
  };

  return (
    <div
      ref={list}
      class="entries"
      role="feed"
      aria-label={label}
      aria-busy={busy}
      style={{ paddingTop: `${above}px`, paddingBottom: `${below}px` }}
      onFocusIn={() => look()}
      onFocusOut={(event) => look(event.relatedTarget as Node | null)}
    >
      {rows.slice(from, to).map((entry, index) => (
        <Row
          key={entry.seq}
          entry={entry}
          position={from + index + 1}
          of={older ? null : rows.length}
          open={opened.has(entry.seq)}
          onToggle={(open) => toggle(entry.seq, open)}
        />
      ))}
    </div>
  );
}
