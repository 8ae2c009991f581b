/** The words about compliance scans. Titles, reasons and fixes are a host's: text, never markup. */

export type Scanner = "openscap" | "lynis" | "docker-bench" | "oscap-docker";

export type Outcome =
  | "pass"
  | "fail"
  | "error"
  | "unknown"
  | "notapplicable"
  | "notchecked"
  | "notselected"
  | "informational"
  | "fixed";

export type Severity = "unknown" | "info" | "low" | "medium" | "high";

export type Counts = Record<Outcome, number>;

/** A scan without its rules. */
export interface Scan {
  id: string;
  host_id: string;
  host_name: string;
  job_id: string | null;
  scanner: Scanner;
  scanner_version: string;
  profile: string;
  content: string;
  partial: boolean;
  score: number | null;
  scanner_score: number | null;
  counts: Counts;
  at: string;
  started_at: string | null;
  finished_at: string | null;
}

export interface TrendPoint {
  scan_id: string;
  at: string;
  score: number | null;
}

/** The latest of the scans of a host that can be compared with each other. */
export interface Series extends TrendPoint {
  scanner: Scanner;
  profile: string;
}

/** Where a host stands. */
export interface HostCompliance {
  score: number | null;
  latest: Scan | null;
  partial: Scan | null;
  trend: TrendPoint[];
  series: Series[];
}

export interface FleetHost {
  host_id: string;
  host_name: string;
  scan_id: string | null;
  at: string | null;
  scanner: Scanner | null;
  profile: string | null;
  score: number | null;
  counts: Counts | null;
}

export interface WorstRule {
  scanner: Scanner;
  rule: string;
  title: string;
  severity: Severity;
  hosts: number;
}

/** The fleet, with a page of its hosts. */
export interface Fleet {
  score: number | null;
  hosts: number;
  scanned: number;
  worst_rules: WorstRule[];
  items: FleetHost[];
  next_cursor: string | null;
}

export interface RuleWords {
  rule: string;
  title: string;
  severity: Severity;
  rationale: string;
  fix: string;
}

/** A rule of one scan. */
export interface ScanRule extends RuleWords {
  result: Outcome;
}

/** A scan, with a page of its rules. */
export interface ScanPart {
  scan: Scan;
  items: ScanRule[];
  next_cursor: string | null;
}

export interface RuleOnHost {
  host_id: string;
  host_name: string;
  scan_id: string;
  at: string;
  result: Outcome;
}

/** A rule over the fleet, with a page of its hosts. */
export interface RulePart {
  rule: RuleWords & { scanner: Scanner };
  results: Partial<Record<Outcome, number>>;
  items: RuleOnHost[];
  next_cursor: string | null;
}

/** What a person decides about a schedule. */
export interface ScheduleValues {
  name: string;
  labels: string[];
  scanner: Scanner;
  profile: string | null;
  every: string;
  jitter: string;
  starts_at: string;
  max_concurrent: number;
  enabled: boolean;
}

export interface Schedule extends ScheduleValues {
  id: string;
  created_at: string;
  created_by: string;
  turns: { hosts: number; open: number; waiting: number; next_at: string | null };
}
