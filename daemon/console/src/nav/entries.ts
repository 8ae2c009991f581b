/**
 * What the bar leads to: every page that has an entry there has it here, and nowhere else.
 *
 * A group of one entry or more is a menu; entries of a group that is shown directly stand in the
 * bar themselves. Where there is no room all of them are in one menu.
 */
import { counts } from "../alerts/news";
import { pendingCount } from "../approvals/live";
import { offered } from "../feed/entry";
import type { PageName } from "../route";
import { may } from "../session";
import { tabs } from "../terminal/tabs";

export interface NavEntry {
  to: PageName;
  words: string;
  /** Pages below it: while one of them is shown this entry is the current one. */
  below?: readonly PageName[];
  /** Whether it is of use to the person; to everybody when absent. */
  shown?: () => boolean;
  /** What waits there, shown beside the words when there is something. */
  count?: () => number;
}

export interface NavGroup {
  words: string;
  /** Whether its entries stand in the bar themselves, where there is room. */
  direct?: boolean;
  entries: readonly NavEntry[];
}

export const NAV: readonly NavGroup[] = [
  {
    words: "Fleet",
    direct: true,
    entries: [
      { to: "hosts", words: "Hosts", below: ["host"] },
      {
        to: "terminal",
        words: "Terminals",
        shown: () => tabs.value.length > 0,
        count: () => tabs.value.length,
      },
      { to: "jobs", words: "Jobs", below: ["job"], shown: () => may("jobs:read") },
      {
        to: "compliance",
        words: "Compliance",
        below: ["scan", "rule", "schedules"],
        shown: () => may("compliance:read"),
      },
    ],
  },
  {
    words: "Watch",
    entries: [
      {
        to: "alerts",
        words: "Alerts",
        shown: () => may("ws:alerts"),
        count: () => counts.value?.new ?? 0,
      },
      {
        to: "approvals",
        words: "Approvals",
        below: ["policies"],
        shown: () => may("approvals:manage") || may("jobs:run"),
        count: () => pendingCount.value,
      },
      { to: "feed", words: "Live feed", shown: () => offered().length > 0 },
      {
        to: "investigate",
        words: "Investigation",
        shown: () => may("jobs:run") && may("hosts:read"),
      },
      { to: "sessions", words: "Sessions", shown: () => may("can_manage_hosts") },
      { to: "security", words: "Security", shown: () => may("ws:security") },
      { to: "inspector", words: "Inspector", shown: () => may("admin") },
    ],
  },
  {
    words: "Manage",
    entries: [
      { to: "users", words: "Users", shown: () => may("users:manage") },
      { to: "roles", words: "Roles", shown: () => may("users:manage") },
      { to: "tokens", words: "API tokens" },
      { to: "tenants", words: "Tenants", shown: () => may("tenants:manage") },
      { to: "webhooks", words: "Webhooks", shown: () => may("admin") },
      { to: "audit", words: "Audit", shown: () => may("audit:read") },
    ],
  },
];

/** Whether an entry leads to where the person is. */
export const isCurrent = (entry: NavEntry, page: PageName): boolean =>
  entry.to === page || (entry.below?.includes(page) ?? false);

/** The groups with what is of use to the person; none that is empty. */
export const groups = (): NavGroup[] =>
  NAV.map((group) => ({
    ...group,
    entries: group.entries.filter(({ shown }) => shown?.() ?? true),
  })).filter(({ entries }) => entries.length > 0);
