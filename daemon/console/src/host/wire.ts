/** What a host says of itself beside its report, and what its agent is set to. */

export interface Container {
  id: string;
  name: string;
  image: string;
  state: string;
  status: string;
  ports: string[];
  network: string;
  project: string | null;
}

export interface DockerInventory {
  at: string;
  job_id: string | null;
  engine: { version: string };
  containers: Container[];
  images: { id: string; tags: string[]; size: number }[];
  volumes: { name: string }[];
  networks: { id: string; name: string }[];
  updates: { repository: string; tag: string; available: string }[];
  problems: string[];
}

export interface Integration {
  name: string;
  enabled: boolean;
  status: string;
  message: string;
  components: Record<string, string>;
  choices: string[];
}

export interface Integrations {
  at: string;
  job_id: string | null;
  integrations: Integration[];
}

export interface Settings {
  /** Minutes between two reports. */
  update_interval?: number;
  docker_events?: boolean;
  /** What a PatchMon agent looks into. */
  integrations?: Toggles;
}

export interface Toggles {
  docker?: boolean;
  compliance?: "disabled" | "on-demand" | "enabled";
  openscap?: boolean;
  docker_bench?: boolean;
}
