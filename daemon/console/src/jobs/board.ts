/** What the page knows of all jobs: a snapshot and the changes since. */
import type { Batch, BoardWord, Counts, JobBrief, JobState, Snapshot } from "./wire";

export type Part = "running" | "queued" | "failed" | "done";

export const PARTS: readonly Part[] = ["running", "queued", "failed", "done"];

/** Jobs of each part that are kept; the daemon lists as many. */
export const LISTED = 100;

/** Jobs that are held before the oldest of each part are let go. */
const HELD = PARTS.length * LISTED * 2;

const PART_OF: Readonly<Record<JobState, Part>> = {
  queued: "queued",
  leased: "running",
  received: "running",
  running: "running",
  failed: "failed",
  expired: "failed",
  unknown: "failed",
  succeeded: "done",
  cancelled: "done",
};

export interface Board {
  seq: number;
  counts: Counts;
  jobs: ReadonlyMap<string, JobBrief>;
  batches: ReadonlyMap<string, Batch>;
}

/** The part that a job belongs to. */
export const partOf = (job: JobBrief): Part => PART_OF[job.state] ?? "failed";

/** Whether nothing more will be done for a job. */
export const isOver = (job: JobBrief): boolean => job.finished_at !== null;

/** Newest first: by its end where it has one, else by its making, which ids are ordered by. */
function newestFirst(a: JobBrief, b: JobBrief): number {
  const ended = (b.finished_at ?? "").localeCompare(a.finished_at ?? "");
  return ended === 0 ? b.id.localeCompare(a.id) : ended;
}

/** The jobs of a part, newest first, as many as are listed. */
export function listOf(board: Board, part: Part): JobBrief[] {
  const all = [...board.jobs.values()].filter((job) => partOf(job) === part);
  return all.sort(newestFirst).slice(0, LISTED);
}

/**
 * How many jobs a part has. As long as all of them are listed the list says so, which is never
 * behind; beyond that the daemon counts.
 */
export function countOf(board: Board, part: Part): number {
  let sum = 0;
  for (const [state, count] of Object.entries(board.counts) as [JobState, number][])
    if (PART_OF[state] === part) sum += count;
  return sum > LISTED ? sum : listOf(board, part).length;
}

const byId = <T extends { id: string }>(list: readonly T[]): [string, T][] =>
  list.map((one) => [one.id, one]);

function begin(snapshot: Snapshot): Board {
  const { seq, counts, running, queued, failed, done, batches } = snapshot;
  const jobs = new Map([running, queued, failed, done].flatMap(byId));
  return { seq, counts, jobs, batches: new Map(byId(batches)) };
}

function withJob(board: Board, job: JobBrief): Board {
  const jobs = new Map(board.jobs).set(job.id, job);
  if (jobs.size <= HELD) return { ...board, jobs };
  const kept = PARTS.flatMap((part) => listOf({ ...board, jobs }, part));
  return { ...board, jobs: new Map(byId(kept)) };
}

const withBatches = (board: Board, batches: readonly Batch[]): Board =>
  batches.length === 0
    ? board
    : { ...board, batches: new Map([...board.batches, ...byId(batches)]) };

/** What a word of the daemon makes of the board. What comes before a snapshot says nothing. */
export function follow(board: Board | null, word: BoardWord): Board | null {
  if (word.type === "snapshot") return begin(word);
  if (!board) return null;
  if (word.type === "tally") return withBatches({ ...board, counts: word.counts }, word.batches);
  if (word.type !== "change" || word.seq <= board.seq) return board;
  const next = { ...board, seq: word.seq };
  if (word.data.kind === "job") return withJob(next, word.data);
  return word.data.kind === "batch" ? withBatches(next, [word.data]) : next;
}

/** How far a batch is: its jobs that ended well, badly, otherwise, and all of them. */
export function progressOf({ jobs }: Batch) {
  const sum = (...states: JobState[]) =>
    states.reduce((total, state) => total + (jobs[state] ?? 0), 0);
  const good = sum("succeeded");
  const bad = sum("failed", "expired", "unknown");
  const off = sum("cancelled");
  const running = sum("leased", "received", "running");
  return { good, bad, off, running, total: good + bad + off + running + sum("queued") };
}
