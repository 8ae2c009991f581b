/** Follows one channel for a page: what it has, and what comes. */
import { followEvents, type State } from "gangplank-client";
import { useEffect, useState } from "preact/hooks";
import { call } from "../api";
import { hold, release } from "../live";
import type { Page } from "../wire";
import { type Channel, type Entry, entryOf, FEEDS, type FeedName } from "./entry";
import { add, below, EMPTY, type Log, pause, resume } from "./log";

/** Rows that are fetched at a time. */
const PAGE = 100;

/** What comes within this time is drawn together, in milliseconds. */
const GATHER = 100;

/** So many are taken at once where nothing is drawn, such as in a tab that nobody looks at. */
const GATHERED = 500;

interface Stored {
  seq: number;
  at: string;
  data: unknown;
}

const fetchEvents = (name: FeedName, before?: number) =>
  call<Page<Stored>>(
    "GET",
    `channels/${name}/events?limit=${PAGE}${before === undefined ? "" : `&cursor=${before}`}`,
  );

function readAll(channel: Channel, stored: readonly Stored[]): Entry[] {
  return stored.flatMap(({ seq, at, data }) => {
    try {
      return [entryOf(seq, at, channel.show(data), data)];
    } catch {
      return [];
    }
  });
}

export interface Feed {
  log: Log;
  state: State;
  /** What went wrong with fetching, and what was passed over or is gone. */
  error: string | null;
  notices: readonly string[];
  setPaused: (paused: boolean) => void;
  older: () => void;
  retry: () => void;
}

export function useFeed(name: FeedName): Feed {
  const [log, setLog] = useState<Log>(EMPTY);
  const [state, setState] = useState<State>({ kind: "connecting" });
  const [error, setError] = useState<string | null>(null);
  const [notices, setNotices] = useState<readonly string[]>([]);
  const [retry, setRetry] = useState<() => void>(() => () => {});
  const [turn, setTurn] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a turn begins anew
  useEffect(() => {
    const channel: Channel = FEEDS[name];
    let over = false;
    let end = () => {};
    let gathered: Entry[] = [];
    let timer = 0;
    let frame = 0;
    const flush = () => {
      const news = gathered;
      gathered = [];
      clearTimeout(timer);
      cancelAnimationFrame(frame);
      if (!over) setLog((before) => add(before, news));
    };
    const gather = (entry: Entry) => {
      gathered.push(entry);
      if (gathered.length >= GATHERED) flush();
      else if (gathered.length === 1)
        timer = window.setTimeout(() => {
          frame = requestAnimationFrame(flush);
        }, GATHER);
    };
    const notice = (words: string) => {
      if (!over) setNotices((before) => (before.includes(words) ? before : [...before, words]));
    };
    const follow = (after: number) => {
      const following = hold(
        (options) =>
          followEvents({
            ...options,
            topics: { [name]: (data: unknown) => ({ shown: channel.show(data), data }) },
            cursor: { [name]: after },
            onEvent({ seq, at, data }) {
              gather(entryOf(seq, at, data.shown, data.data));
            },
            onGap: ({ lost }) => notice(`Events ${lost.from} to ${lost.to} are not kept any more.`),
            onUnreadable: (_topic, why) => notice(`An event can't be read: ${why}.`),
          }),
        setState,
      );
      setRetry(() => () => following.retryNow());
      return () => release(following);
    };
    setLog(EMPTY);
    setError(null);
    setNotices([]);
    fetchEvents(name).then(
      (page) => {
        if (over) return;
        setLog((before) => below(before, readAll(channel, page.items), page.next_cursor !== null));
        end = follow(page.items[0]?.seq ?? 0);
      },
      (problem: unknown) => {
        if (!over) setError(problem instanceof Error ? problem.message : String(problem));
      },
    );
    return () => {
      over = true;
      clearTimeout(timer);
      cancelAnimationFrame(frame);
      end();
    };
  }, [name, turn]);
  const older = async () => {
    try {
      const page = await fetchEvents(name, log.rows.at(-1)?.seq);
      const rows = readAll(FEEDS[name], page.items);
      setLog((before) => below(before, rows, page.next_cursor !== null));
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  return {
    log,
    state,
    error,
    notices,
    setPaused: (paused) => setLog(paused ? pause : resume),
    older: () => void older(),
    // What could not be fetched is begun anew; a connection is tried at once.
    retry: error === null ? retry : () => setTurn(turn + 1),
  };
}
