/** The words about jobs: what the daemon's HTTP interface and its board say. */

export type JobState =
  | "queued"
  | "leased"
  | "received"
  | "running"
  | "succeeded"
  | "failed"
  | "cancelled"
  | "expired"
  | "unknown";

export interface Progress {
  percent?: number;
  phase?: string;
  message?: string;
}

/** A job as lists have it. */
export interface JobBrief {
  id: string;
  host_id: string;
  host_name: string;
  batch_id: string | null;
  command: string;
  /** What it is about, such as the tool. */
  subject: string | null;
  state: JobState;
  attempt: number;
  /** It waits for its batch's turn, or for approval. */
  held: boolean;
  approval_id: string | null;
  cancel_at: string | null;
  progress: Progress | null;
  exit_status: number | null;
  error: string | null;
  created_at: string;
  created_by: string;
  started_at: string | null;
  finished_at: string | null;
}

/** A job in full. */
export interface Job extends JobBrief {
  params: unknown;
  priority: number;
  retries: number;
  not_before: string;
  deadline: string;
  sent_at: string | null;
  received_at: string | null;
  result: unknown;
  output_end: number;
  retry_of: string | null;
}

export interface Batch {
  id: string;
  command: string;
  state: "running" | "paused" | "halted" | "done";
  ring: number;
  last_ring: number;
  max_failures: number;
  reason: string | null;
  created_at: string;
  created_by: string;
  jobs: Counts;
}

/** Number of jobs by state; a state without any is absent. */
export type Counts = Partial<Record<JobState, number>>;

export interface Snapshot {
  seq: number;
  counts: Counts;
  running: JobBrief[];
  queued: JobBrief[];
  failed: JobBrief[];
  done: JobBrief[];
  batches: Batch[];
}

/** A message of the board's socket. */
export type BoardWord =
  | ({ type: "snapshot" } & Snapshot)
  | {
      type: "change";
      seq: number;
      data: ({ kind: "job" } & JobBrief) | ({ kind: "batch" } & Batch);
    }
  | { type: "tally"; counts: Counts; batches: Batch[] };

export interface NewOrder {
  command: string;
  params?: unknown;
}

/** A part of what a job printed. */
export interface OutputPart {
  pieces: { offset: number; gap: { from: number; to: number } | null; data: string }[];
  next: number;
  end: number;
  /** Nothing more will come. */
  complete: boolean;
}

export interface PendingPackage {
  name: string;
  version: string;
  available: string;
  security: boolean;
}

/** A host in full, as it reports itself. */
export interface Report {
  at: string;
  /** The job that asked for it; null when the host reported unasked. */
  job_id: string | null;
  host: { os: string; os_version: string; kernel: string; arch: string };
  uptime_seconds: number | null;
  reboot_needed: boolean | null;
  packages: {
    manager: string;
    installed_count: number;
    pending: PendingPackage[] | null;
  } | null;
  disks: { mount: string; size: number; free: number }[];
  problems: string[];
}
