/** The board that pages look at, followed while one of them is shown. */
import { signal } from "@preact/signals";
import { Connection, type Parser, type State } from "gangplank-client";
import { useEffect } from "preact/hooks";
import { hold, release } from "../live";
import { whenLoggedOut } from "../session";
import { type Board, follow } from "./board";
import type { BoardWord } from "./wire";

/** Null until the first snapshot. */
export const board = signal<Board | null>(null);
const CLOSED: State = { kind: "closed", code: null, why: "" };
export const boardStream = signal<State>(CLOSED);

const WORDS: readonly BoardWord["type"][] = ["snapshot", "change", "tally"];

/** Null for what is no word of a board. */
const word: Parser<BoardWord | null> = (value) => {
  const said = value as BoardWord | null;
  return said && WORDS.includes(said.type) ? said : null;
};

/** Every opening begins with a snapshot, so there is nothing to remember. */
const open = () =>
  hold(
    (options) =>
      new Connection(options, {
        path: () => "bullboard",
        message(message) {
          const said = word(message);
          if (said) board.value = follow(board.value, said);
        },
      }),
    (state) => {
      boardStream.value = state;
    },
  );

let connection: Connection | null = null;
let watchers = 0;

function stop(): void {
  if (connection) release(connection);
  connection = null;
  board.value = null;
  boardStream.value = CLOSED;
}

/** Follows the board as long as the page is shown, if it is to. */
export function useBoard(wanted = true): Board | null {
  useEffect(() => {
    if (!wanted) return;
    watchers += 1;
    connection ??= open();
    return () => {
      watchers -= 1;
      // Going from one page of jobs to another keeps the socket.
      queueMicrotask(() => {
        if (watchers === 0) stop();
      });
    };
  }, [wanted]);
  return board.value;
}

whenLoggedOut(stop);
