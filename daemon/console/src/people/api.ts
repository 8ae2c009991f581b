/** Calls about tenants, roles and API tokens. */
import { call } from "../api";
import type { Page } from "../wire";
import type { ApiToken, Keeping, Membership, NewApiToken, Retention, Role, Tenant } from "./wire";

const id = encodeURIComponent;

export const roles = () => call<Page<Role> & { permissions: string[] }>("GET", "roles");
export const addRole = (name: string, permissions: string[]) =>
  call<Role>("POST", "roles", { body: { name, permissions } });
export const changeRole = (name: string, permissions: string[]) =>
  call<Role>("PATCH", `roles/${id(name)}`, { body: { permissions } });
export const deleteRole = (name: string) => call<void>("DELETE", `roles/${id(name)}`);

export const tokens = (all: boolean, cursor?: string) =>
  call<Page<ApiToken>>(
    "GET",
    `tokens?limit=100${all ? "&all=true" : ""}${cursor ? `&cursor=${id(cursor)}` : ""}`,
  );
export const addToken = (body: { name: string; scopes: string[]; expires: string }) =>
  call<NewApiToken>("POST", "tokens", { body });
export const revokeToken = (tokenId: string) => call<void>("DELETE", `tokens/${id(tokenId)}`);

/** The tenants that the person belongs to. */
export const memberships = async () =>
  (await call<{ tenants: Membership[] }>("GET", "auth/me", { anonymous: true })).tenants;
export const switchTenant = (tenant: string) =>
  call<unknown>("POST", "auth/tenant", { body: { tenant } });

export const tenants = (cursor?: string) =>
  call<Page<Tenant>>("GET", `tenants?limit=100${cursor ? `&cursor=${id(cursor)}` : ""}`);
export const tenant = (tenantId: string) => call<Tenant>("GET", `tenants/${id(tenantId)}`);
export const addTenant = (name: string) => call<Tenant>("POST", "tenants", { body: { name } });
export const changeTenant = (
  tenantId: string,
  body: { name?: string; active?: boolean; limits?: Tenant["limits"]; retention?: Keeping },
) => call<Tenant>("PATCH", `tenants/${id(tenantId)}`, { body });
export const deleteTenant = (tenantId: string) => call<void>("DELETE", `tenants/${id(tenantId)}`);
export const addMember = (tenantId: string, body: { username: string; password?: string }) =>
  call<unknown>("POST", `tenants/${id(tenantId)}/members`, { body });

/** How long one's own tenant keeps things. */
export const retention = () => call<Retention>("GET", "settings/retention");
export const wishRetention = (body: Keeping) =>
  call<Retention>("PUT", "settings/retention", { body });
