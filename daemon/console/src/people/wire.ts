/** What the daemon says of tenants, roles and API tokens. */

export interface Grant {
  role: string;
  /** Null for good. */
  expires_at: string | null;
}

export interface Role {
  name: string;
  built_in: boolean;
  permissions: string[];
  users: number;
}

export interface ApiToken {
  id: string;
  name: string;
  username: string;
  scopes: string[];
  created_at: string;
  expires_at: string;
  last_used_at: string | null;
}

/** A token that was just made; the token itself is in no other answer. */
export interface NewApiToken {
  id: string;
  name: string;
  token: string;
  scopes: string[];
  expires_at: string;
}

/** A tenant that the person belongs to. */
export interface Membership {
  id: string;
  name: string;
}

export interface Tenant {
  id: string;
  name: string;
  active: boolean;
  limits: Limits;
  hosts: number;
  users: number;
  created_at: string;
  /** Where one tenant is asked for, and not in lists. */
  retention?: { granted: Keeping; in_force: Keeping };
}

export const LIMITS = [
  "max_hosts",
  "max_users",
  "max_terminals",
  "max_subscribers",
  "max_rows_per_minute",
  "max_bytes_per_minute",
] as const;

/** Null without bound. */
export type Limits = Record<(typeof LIMITS)[number], number | null>;

/** How many events of a topic are kept, and for how long; what is absent is as elsewhere. */
export interface Amount {
  age?: string;
  count?: number;
}

/** How long things are kept; what is absent is as elsewhere. */
export interface Keeping {
  events: Amount;
  topics: Readonly<Record<string, Amount>>;
  jobs?: string;
  scans?: string;
  telemetry?: string;
  records?: string;
}

/** What a tenant wishes, the most that it may, and what is done. */
export interface Retention {
  own: Keeping;
  most: Keeping;
  in_force: Keeping;
}
