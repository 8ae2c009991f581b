/** The daemon's calls about compliance scans. */
import { httpAddress } from "../address";
import { call } from "../api";
import type { Page } from "../wire";
import type { Fleet, HostCompliance, RulePart, ScanPart, Schedule, ScheduleValues } from "./wire";

const id = encodeURIComponent;

/** The part of an address after the question mark, without what is empty. */
function query(fields: Record<string, string | undefined>): string {
  const given = Object.entries(fields).filter((field): field is [string, string] => !!field[1]);
  return given.length === 0 ? "" : `?${new URLSearchParams(given).toString()}`;
}

export const fleet = (scanner: string, cursor?: string) =>
  call<Fleet>("GET", `compliance${query({ limit: "100", scanner, cursor })}`);
export const host = (hostId: string, scanner = "", profile = "") =>
  call<HostCompliance>("GET", `hosts/${id(hostId)}/compliance${query({ scanner, profile })}`);

export interface RuleFilter {
  result: string;
  severity: string;
  text: string;
}

export const scan = (scanId: string, filter: RuleFilter, cursor?: string) =>
  call<ScanPart>("GET", `compliance/scans/${id(scanId)}${query({ ...filter, cursor })}`);
export const rule = (name: string, scanner: string, result: string, cursor?: string) =>
  call<RulePart>("GET", `compliance/rules/${id(name)}${query({ scanner, result, cursor })}`);

/** Addresses of files. */
export const fleetCsv = (scanner: string) =>
  httpAddress(`api/v1/compliance/export.csv${query({ scanner })}`);
export const scanCsv = (scanId: string, filter: RuleFilter) =>
  httpAddress(`api/v1/compliance/scans/${id(scanId)}/export.csv${query({ ...filter })}`);
export const scanReport = (scanId: string) =>
  httpAddress(`api/v1/compliance/scans/${id(scanId)}/report.html`);

export const schedules = (cursor?: string) =>
  call<Page<Schedule>>("GET", `compliance/schedules${query({ cursor })}`);
export const addSchedule = (body: Partial<ScheduleValues>) =>
  call<Schedule>("POST", "compliance/schedules", { body });
export const changeSchedule = (scheduleId: string, body: Partial<ScheduleValues>) =>
  call<Schedule>("PATCH", `compliance/schedules/${id(scheduleId)}`, { body });
export const deleteSchedule = (scheduleId: string) =>
  call<void>("DELETE", `compliance/schedules/${id(scheduleId)}`);
