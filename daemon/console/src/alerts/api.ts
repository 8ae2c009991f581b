/** The daemon's calls about alerts. */
import { call } from "../api";
import type { Page } from "../wire";
import type { AlertState, Inbox, StoredAlert } from "./wire";

export const list = (state: AlertState, cursor?: string, limit = 100) =>
  call<Inbox>(
    "GET",
    `alerts?state=${state}&limit=${limit}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
  );

/** Brings all of them into a state, or none when one of them is unknown. */
export const settle = (ids: readonly string[], status: AlertState, note: string) =>
  call<Page<StoredAlert>>("POST", "alerts/status", {
    body: { ids, status, ...(note === "" ? {} : { note }) },
  });
