/** The board that pages look at, followed while one of them is shown. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { socketAddress } from "../address";
import { realClock } from "../backoff";
import { LiveSocket, type StreamState } from "../live";
import { ask, whenLoggedOut } from "../session";
import { onWake } from "../wake";
import { type Board, follow } from "./board";
import type { BoardWord } from "./wire";

/** Null until the first snapshot. */
export const board = signal<Board | null>(null);
export const boardStream = signal<StreamState>({ kind: "closed", why: "" });

/** Every opening begins with a snapshot, so there is nothing to remember. */
class BoardStream extends LiveSocket {
  protected readonly subject = "jobs";

  protected query(): string {
    return "";
  }

  protected opened(): void {}

  protected forget(): void {}

  protected message(message: BoardWord): void {
    board.value = follow(board.value, message);
  }
}

const stream = new BoardStream(
  () => new WebSocket(socketAddress("bullboard")),
  {
    state: (state) => {
      boardStream.value = state;
    },
    loginInDoubt: () => void ask(),
  },
  realClock,
);

let watchers = 0;

/** Follows the board as long as the page is shown, if it is to. */
export function useBoard(wanted = true): Board | null {
  useEffect(() => {
    if (!wanted) return;
    watchers += 1;
    stream.start();
    return () => {
      watchers -= 1;
      // Going from one page of jobs to another keeps the socket.
      queueMicrotask(() => {
        if (watchers > 0) return;
        stream.stop();
        board.value = null;
      });
    };
  }, [wanted]);
  return board.value;
}

whenLoggedOut(() => {
  stream.stop();
  board.value = null;
});
onWake(() => stream.retryNow());
addEventListener("offline", () => stream.networkLost());
