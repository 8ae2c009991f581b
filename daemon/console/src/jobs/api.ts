/** The daemon's calls about jobs. */
import { ApiError, call } from "../api";
import type { Batch, Job, NewOrder, OutputPart, Report } from "./wire";

const id = encodeURIComponent;

export const job = (jobId: string) => call<Job>("GET", `jobs/${id(jobId)}`);
export const cancel = (jobId: string) => call<Job>("POST", `jobs/${id(jobId)}/cancel`);
export const retry = (jobId: string) => call<{ job_id: string }>("POST", `jobs/${id(jobId)}/retry`);
export const steer = (batchId: string, to: "pause" | "resume" | "halt") =>
  call<Batch>("POST", `batches/${id(batchId)}/${to}`);
export const order = (hostId: string, body: NewOrder) =>
  call<{ job_id: string }>("POST", `hosts/${id(hostId)}/commands`, { body });

/** Waits up to `wait` seconds for more than there is. */
export const output = (jobId: string, offset: number, wait: number, signal: AbortSignal) =>
  call<OutputPart>("GET", `jobs/${id(jobId)}/output?offset=${offset}&wait=${wait}`, { signal });

/** A host's latest report; null when there is none yet. */
export async function report(hostId: string): Promise<Report | null> {
  try {
    return await call<Report>("GET", `hosts/${id(hostId)}/report`);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}
