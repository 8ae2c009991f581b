/**
 * What is watched on every page as long as somebody is logged in, over one connection: the list of
 * hosts, and whatever has a badge in the bar.
 */
import { signal } from "@preact/signals";
import { type Events, followEvents, type Parser, type State } from "gangplank-client";
import { hold, release } from "./live";

/** Somebody who watches a topic. */
export interface Watcher<T> {
  topic: string;
  permission: string;
  parse: Parser<T>;
  /** Whatever is kept must be loaded (again). */
  reload: () => void;
  event: (data: T) => void;
}

/** The connection's state. */
export const stream = signal<State>({ kind: "closed", code: null, why: "" });

/** A watcher whose events are of any kind, and read by itself. */
interface Known {
  topic: string;
  permission: string;
  parse: Parser<() => void>;
  reload: () => void;
}

const watchers: Known[] = [];
type Read = Record<string, Parser<() => void>>;

let following: Events<Read> | null = null;

/** Watches a topic from the next login on. */
export function watch<T>({ topic, permission, parse, reload, event }: Watcher<T>): void {
  watchers.push({
    topic,
    permission,
    reload,
    parse(value) {
      const data = parse(value);
      return () => event(data);
    },
  });
}

/** Begins with what the person may see, or begins anew. */
export function startWatching(may: (permission: string) => boolean): void {
  stopWatching();
  const mine = watchers.filter(({ permission }) => may(permission));
  if (mine.length === 0) return;
  const topics = Object.fromEntries(mine.map(({ topic, parse }) => [topic, parse]));
  following = hold(
    (options) =>
      followEvents<Read>({
        ...options,
        topics,
        onEvent: ({ data }) => data(),
        onGap: ({ topic }) => mine.find((one) => one.topic === topic)?.reload(),
      }),
    (state) => {
      stream.value = state;
      // The connection is open first, so nothing falls between the list and the events.
      if (state.kind === "open") for (const { reload } of mine) reload();
    },
  );
}

export function stopWatching(): void {
  if (following) release(following);
  following = null;
  stream.value = { kind: "closed", code: null, why: "" };
}

/** Tries at once. */
export const retryNow = () => following?.retryNow();
