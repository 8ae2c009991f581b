/** Loads what a host said by a command, and again whenever that command went well once more. */
import { type Board, listOf } from "../jobs/board";
import { useBoard } from "../jobs/live";
import { may } from "../session";
import { type Loaded, useLoaded } from "../ui/load";

const newest = (board: Board, hostId: string, command: string): string | undefined =>
  listOf(board, "done").find(
    (job) => job.host_id === hostId && job.command === command && job.state === "succeeded",
  )?.id;

export function useSaid<T>(
  hostId: string,
  command: string,
  load: (hostId: string) => Promise<T | null>,
): Loaded<{ said: T | null }> {
  const board = useBoard(may("jobs:read"));
  const job = board && newest(board, hostId, command);
  return useLoaded(async () => ({ said: await load(hostId) }), `${hostId} ${job ?? ""}`);
}
