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
  limits: { max_hosts: number | null; max_users: number | null };
  hosts: number;
  users: number;
  created_at: string;
}
