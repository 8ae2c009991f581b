import { beforeEach, describe, expect, test } from "vitest";
import { type Board, countOf, follow, LISTED, listOf, progressOf } from "../src/jobs/board";
import type { Batch, BoardWord, JobBrief, JobState } from "../src/jobs/wire";

const job = (id: string, state: JobState, more: Partial<JobBrief> = {}): JobBrief => ({
  id,
  host_id: `host of ${id}`,
  host_name: "web",
  batch_id: null,
  subject: null,
  command: "report_now",
  state,
  attempt: 1,
  held: false,
  approval_id: null,
  cancel_at: null,
  progress: null,
  exit_status: null,
  error: null,
  created_at: "2026-01-01T00:00:00Z",
  created_by: "ada",
  started_at: null,
  finished_at: null,
  ...more,
});

const batch = (id: string, more: Partial<Batch> = {}): Batch => ({
  id,
  command: "report_now",
  state: "running",
  ring: 0,
  last_ring: 2,
  max_failures: 20,
  reason: null,
  created_at: "2026-01-01T00:00:00Z",
  created_by: "ada",
  jobs: { queued: 2 },
  ...more,
});

const SNAPSHOT: BoardWord = {
  type: "snapshot",
  seq: 7,
  counts: { queued: 2, running: 1, failed: 300 },
  running: [job("r", "running")],
  queued: [job("a", "queued"), job("b", "queued")],
  failed: [],
  done: [],
  batches: [batch("x")],
};

const change = (seq: number, one: JobBrief): BoardWord => ({
  type: "change",
  seq,
  data: { kind: "job", ...one },
});

let board: Board | null;

function take(...words: BoardWord[]): Board {
  for (const word of words) board = follow(board, word);
  if (!board) throw new Error("no board");
  return board;
}

const ids = (part: Parameters<typeof listOf>[1]) =>
  listOf(board as Board, part).map(({ id }) => id);

beforeEach(() => {
  board = null;
});

describe("the board", () => {
  test("is nothing before its snapshot", () => {
    expect(follow(null, change(8, job("a", "running")))).toBeNull();
    expect(follow(null, { type: "tally", counts: {}, batches: [] })).toBeNull();
  });

  test("shows the newest first, by the end where there is one", () => {
    take(SNAPSHOT);
    expect(ids("queued")).toEqual(["b", "a"]);
    const ended = (id: string, at: string) => job(id, "failed", { finished_at: at });
    take(
      change(8, ended("b", "2026-01-01T00:00:01Z")),
      change(9, ended("a", "2026-01-02T00:00:00Z")),
    );
    expect(ids("failed")).toEqual(["a", "b"]);
    expect(ids("queued")).toEqual([]);
  });

  test("moves a job from part to part", () => {
    take(SNAPSHOT, change(8, job("a", "leased")));
    expect(ids("running")).toEqual(["r", "a"]);
    take(change(9, job("a", "expired")));
    expect(ids("failed")).toEqual(["a"]);
    take(change(10, job("c", "queued")));
    expect(ids("queued")).toEqual(["c", "b"]);
  });

  test("takes no change twice, nor one that its snapshot has already", () => {
    const first = take(SNAPSHOT);
    expect(follow(first, change(7, job("a", "running")))).toBe(first);
    const next = take(change(8, job("a", "running")));
    expect(follow(next, change(8, job("a", "queued")))).toBe(next);
  });

  test("counts what is listed, and beyond that what the daemon counts", () => {
    expect(countOf(take(SNAPSHOT), "failed")).toBe(300);
    expect(countOf(take(change(8, job("c", "queued"))), "queued")).toBe(3);
    take({ type: "tally", counts: { leased: 100, received: 2, cancelled: 4 }, batches: [] });
    expect(countOf(board as Board, "running")).toBe(102);
    expect(countOf(board as Board, "done")).toBe(0);
  });

  test("follows batches by their events and by the tally", () => {
    take(SNAPSHOT, { type: "change", seq: 8, data: { kind: "batch", ...batch("y") } });
    take({ type: "tally", counts: {}, batches: [batch("x", { jobs: { succeeded: 2 } })] });
    expect([...(board as Board).batches.keys()]).toEqual(["x", "y"]);
    expect(board?.batches.get("x")?.jobs).toEqual({ succeeded: 2 });
    take({ type: "change", seq: 9, data: { kind: "batch", ...batch("y", { state: "paused" }) } });
    expect(board?.batches.get("y")?.state).toBe("paused");
  });

  test("begins anew with another snapshot", () => {
    take(SNAPSHOT, change(8, job("z", "running")));
    take({ ...SNAPSHOT, seq: 900, running: [], batches: [] });
    expect(ids("running")).toEqual([]);
    expect(board?.seq).toBe(900);
    expect(board?.batches.size).toBe(0);
  });

  test("holds a bounded number of jobs however many pass", () => {
    take(SNAPSHOT);
    for (let n = 0; n < 5_000; n += 1) {
      const at = new Date(n * 1_000).toISOString();
      take(change(8 + n, job(`n${n}`, "succeeded", { finished_at: at })));
    }
    expect((board as Board).jobs.size).toBeLessThanOrEqual(LISTED * 8);
    expect(ids("done")).toHaveLength(LISTED);
    expect(ids("done")[0]).toBe("n4999");
    expect(ids("running")).toEqual(["r"]);
  });
});

test("a batch's progress has every state in it", () => {
  const jobs = { succeeded: 5, failed: 1, unknown: 1, cancelled: 2, leased: 1, queued: 10 };
  expect(progressOf(batch("x", { jobs }))).toEqual({
    good: 5,
    bad: 2,
    off: 2,
    running: 1,
    total: 20,
  });
  expect(progressOf(batch("x", { jobs: {} })).total).toBe(0);
});
