/** The words about approvals: what the daemon's HTTP interface says and takes. */
import type { ConnectionMode } from "../wire";

export type Risk = "low" | "medium" | "high" | "critical";

export type ApprovalStatus = "pending" | "approved" | "denied" | "expired" | "used" | "cancelled";

/** A request for the consent of a second person. Texts are whoever asked's. */
export interface Approval {
  id: string;
  action: string;
  object: string;
  /** What is asked for, exactly. */
  payload: Record<string, unknown>;
  hash: string;
  case_id: string | null;
  risk_level: Risk;
  status: ApprovalStatus;
  requested_by: string;
  context: Record<string, unknown>;
  requested_at: string;
  expires_at: string;
  decided_at: string | null;
  decided_by: string | null;
  note: string | null;
  job_id: string | null;
  batch_id: string | null;
  /** It was asked for by the person who looks. */
  own: boolean;
}

export interface Hours {
  from: string;
  to: string;
  utc_offset: string;
}

export interface PolicyValues {
  name: string;
  enabled: boolean;
  commands: string[];
  tools: string[];
  terminals: ConnectionMode[];
  labels: string[];
  roles: string[];
  permissions: string[];
  hours: Hours | null;
  risk_level: Risk;
  life: string;
}

export interface Policy extends PolicyValues {
  id: string;
  created_at: string;
  created_by: string;
}
