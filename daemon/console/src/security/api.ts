/** The daemon's calls about security events. */
import { httpAddress } from "../address";
import { call } from "../api";
import type { Page } from "../wire";
import type { Login, SecurityEvent } from "./wire";

export interface Filter {
  kind: string;
  severity: string;
  source: string;
  user: string;
}

function query(fields: Record<string, string | undefined>): string {
  const given = Object.entries(fields).filter((field): field is [string, string] => !!field[1]);
  return given.length === 0 ? "" : `?${new URLSearchParams(given).toString()}`;
}

export const events = (filter: Filter, cursor?: string) =>
  call<Page<SecurityEvent>>("GET", `security/events${query({ limit: "100", ...filter, cursor })}`);
export const logins = () => call<Page<Login>>("GET", "security/logins");
/** Address of a file. */
export const eventsCsv = (filter: Filter) =>
  httpAddress(`api/v1/security/events/export.csv${query({ ...filter })}`);
