/** What was asked of hosts for a case. It stays while other pages are shown. */
import { signal } from "@preact/signals";
import * as jobs from "../jobs/api";
import type { Host } from "../wire";

/** A tool on one host. */
export interface Trail {
  host: { id: string; name: string };
  jobId: string;
}

export interface Request {
  caseId: string;
  tool: string;
  args: Record<string, string>;
}

export interface Investigation extends Request {
  trails: readonly Trail[];
  /** Hosts that could not be asked, and why. */
  failures: readonly { name: string; why: string }[];
}

/** Hosts at once: more can't be read side by side. */
export const MOST_HOSTS = 16;

export const current = signal<Investigation | null>(null);

const order = async ({ caseId, tool, args }: Request, hostId: string): Promise<string> => {
  const params = { tool, args, case_id: caseId };
  return (await jobs.order(hostId, { command: "run_tool", params })).job_id;
};

/** Asks the hosts; those that can't be asked don't hinder the others. */
export async function investigate(request: Request, hosts: readonly Host[]): Promise<void> {
  const asked = await Promise.all(
    hosts.map(async ({ id, friendly_name: name }) => {
      try {
        return { trail: { host: { id, name }, jobId: await order(request, id) } };
      } catch (error) {
        return { failure: { name, why: error instanceof Error ? error.message : String(error) } };
      }
    }),
  );
  current.value = {
    ...request,
    trails: asked.flatMap(({ trail }) => trail ?? []),
    failures: asked.flatMap(({ failure }) => failure ?? []),
  };
}

/** Asks one host again, in the place of what it was asked before. */
export async function again(trail: Trail): Promise<void> {
  const { job_id: jobId } = await jobs.retry(trail.jobId);
  const now = current.value;
  if (!now) return;
  const trails = now.trails.map((one) => (one.jobId === trail.jobId ? { ...one, jobId } : one));
  current.value = { ...now, trails };
}
