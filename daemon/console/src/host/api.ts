/** The daemon's calls about what hosts say of themselves. */
import { ApiError, call } from "../api";
import type { DockerInventory, Integrations, Settings } from "./wire";

const path = (hostId: string, what: string) => `hosts/${encodeURIComponent(hostId)}/${what}`;

/** What a host said; null when it has said nothing yet. */
async function said<T>(hostId: string, what: string): Promise<T | null> {
  try {
    return await call<T>("GET", path(hostId, what));
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

export const docker = (hostId: string) => said<DockerInventory>(hostId, "docker");
export const integrations = (hostId: string) => said<Integrations>(hostId, "integrations");
export const settings = (hostId: string) => call<Settings>("GET", path(hostId, "settings"));
export const set = (hostId: string, body: Settings) =>
  call<{ settings: Settings; job_id: string | null }>("PATCH", path(hostId, "settings"), { body });
