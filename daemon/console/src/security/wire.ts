/** The words about security events. Titles, programs and evidence come from outside: text, never markup. */

export type Severity = "info" | "warning" | "high";

export type Kind =
  | "source_slowed"
  | "source_blocked"
  | "source_closed"
  | "login_standing"
  | "summary";

export interface SecurityEvent {
  id: string;
  at: string;
  kind: Kind;
  severity: Severity;
  title: string;
  source: string | null;
  user: string | null;
  login_id: string | null;
  evidence: Record<string, unknown>;
}

export type Standing = "idle" | "active" | "monitored" | "suspicious" | "terminated";

/** A login as it stands now. */
export interface Login {
  login_id: string;
  user: string;
  state: Standing;
  points: number;
  reasons: { reason: string; count: number }[];
  source: string | null;
  user_agent: string | null;
  since: string;
}
