/** The daemon's calls about approvals. */
import { call } from "../api";
import type { Page } from "../wire";
import type { Approval, Policy, PolicyValues } from "./wire";

const id = encodeURIComponent;

/** Requests that wait; more than the daemon lists at once are not counted one by one. */
export const pending = () => call<Page<Approval>>("GET", "approvals?status=pending&limit=200");
export const approvals = (cursor?: string) =>
  call<Page<Approval>>("GET", `approvals?limit=50${cursor ? `&cursor=${id(cursor)}` : ""}`);
export const decide = (approvalId: string, verdict: "approve" | "deny", note: string) =>
  call<Approval>("POST", `approvals/${id(approvalId)}/${verdict}`, { body: note ? { note } : {} });
export const takeBack = (approvalId: string) =>
  call<Approval>("POST", `approvals/${id(approvalId)}/cancel`);

export const policies = () => call<Page<Policy>>("GET", "approval-policies");
export const addPolicy = (body: Partial<PolicyValues>) =>
  call<Policy>("POST", "approval-policies", { body });
export const changePolicy = (policyId: string, body: Partial<PolicyValues>) =>
  call<Policy>("PATCH", `approval-policies/${id(policyId)}`, { body });
export const deletePolicy = (policyId: string) =>
  call<void>("DELETE", `approval-policies/${id(policyId)}`);
