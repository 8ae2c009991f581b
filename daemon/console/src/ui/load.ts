/** Lists and objects that a page loads for itself. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { Page } from "../wire";

export interface Loaded<T> {
  value: T | null;
  error: string | null;
  reload: () => void;
}

/** Loads once, again when `key` changes, and on demand. The newest answer wins. */
export function useLoaded<T>(load: () => Promise<T>, key = ""): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [error, setError] = useState<string | null>(null);
  const turn = useRef(0);
  const current = useRef(load);
  current.current = load;
  const reload = useCallback(() => {
    const mine = ++turn.current;
    current.current().then(
      (loaded) => {
        if (mine !== turn.current) return;
        setValue(loaded);
        setError(null);
      },
      (problem: unknown) => {
        if (mine === turn.current)
          setError(problem instanceof Error ? problem.message : String(problem));
      },
    );
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key says when to load again
  useEffect(() => {
    reload();
    return () => {
      turn.current += 1;
    };
  }, [reload, key]);
  return { value, error, reload };
}

type Item<P extends Page<unknown>> = P["items"][number];

export interface Listed<P extends Page<unknown>> {
  items: Item<P>[] | null;
  /** The first page, with what it says beside its items. */
  first: P | null;
  error: string | null;
  /** Loads the next page; absent at the end. */
  more: (() => void) | undefined;
  reload: () => void;
}

/** A list that comes in pages; it is loaded anew when `key` changes. */
export function useListed<P extends Page<unknown>>(
  load: (cursor?: string) => Promise<P>,
  key = "",
): Listed<P> {
  const first = useLoaded(() => load(), key);
  const [rest, setRest] = useState<{ of: P; pages: P[] } | null>(null);
  const [error, setError] = useState<string | null>(null);
  // Pages that followed an older first page don't follow the new one.
  const pages = first.value ? [first.value, ...(rest?.of === first.value ? rest.pages : [])] : [];
  const cursor = pages.at(-1)?.next_cursor;
  const more = async (from: string, of: P) => {
    try {
      const next = await load(from);
      setRest({ of, pages: [...pages.slice(1), next] });
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  const { value } = first;
  return {
    first: value,
    items: value ? pages.flatMap<Item<P>>((page) => page.items) : null,
    error: first.error ?? error,
    more: cursor && value ? () => void more(cursor, value) : undefined,
    reload: first.reload,
  };
}
