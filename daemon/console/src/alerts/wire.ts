/** The words about the inbox of alerts. */
import type { Alert } from "gangplank-client";
import type { Page } from "../wire";

export const STATES = ["new", "acknowledged", "closed"] as const;
export type AlertState = (typeof STATES)[number];

/** An alert, and what people made of it. */
export interface StoredAlert extends Alert {
  status: AlertState;
  /** How often it was published. */
  raised: number;
  raised_at: string;
  changed_at: string;
  /** Null when whoever publishes changed it. */
  changed_by: string | null;
  note: string | null;
}

export type AlertCounts = Record<AlertState, number>;

export interface Inbox extends Page<StoredAlert> {
  counts: AlertCounts;
}
