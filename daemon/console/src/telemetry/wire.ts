/** What a host measured, as the daemon answers it. */

export interface Point {
  at: string;
  mean: number;
  low: number;
  high: number;
}

export interface Series {
  metric: string;
  unit: "percent" | "bytes_per_second" | "rows" | null;
  points: Point[];
}

export interface Telemetry {
  items: Series[];
  from: string;
  to: string;
  step_seconds: number;
  own_metrics: string[];
}
