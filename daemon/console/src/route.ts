/** Which page is shown. All pages lie at one level below the base, see `address.ts`. */
import { signal } from "@preact/signals";
import { basePath } from "./address";

/** The daemon answers these addresses: it has the same list in `lib.rs`. */
export const NAMES = [
  "login",
  "hosts",
  "host",
  "jobs",
  "job",
  "compliance",
  "scan",
  "rule",
  "schedules",
  "terminal",
  "feed",
  "alerts",
  "investigate",
  "sessions",
  "approvals",
  "policies",
  "users",
  "roles",
  "tokens",
  "tenants",
  "webhooks",
  "audit",
  "security",
  "inspector",
  "account",
  "trust",
] as const;

export type PageName = (typeof NAMES)[number];

export interface Route {
  page: PageName;
  query: URLSearchParams;
}

function parse(address: Location | URL): Route {
  const last = address.pathname.slice(address.pathname.lastIndexOf("/") + 1);
  const page = NAMES.find((name) => name === last) ?? "hosts";
  return { page, query: new URLSearchParams(address.search) };
}

export const route = signal<Route>(parse(location));

/** The address of a page, for links. */
export function pageAddress(page: PageName, query: Record<string, string> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `${basePath()}${page}${search === "" ? "" : `?${search}`}`;
}

/** Goes to a page. With `replace` the page before is not kept in the browser's history. */
export function go(page: PageName, query: Record<string, string> = {}, replace = false): void {
  const address = pageAddress(page, query);
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  route.value = parse(location);
}

/** Goes to the login page and keeps the place to come back to. */
export function goToLogin(): void {
  const { page, query } = route.value;
  // The trust page is for people who have not logged in yet.
  if (page === "login" || page === "trust") return;
  go("login", { next: `${page}?${query.toString()}` }, true);
}

/** Where the person wanted to go. Only pages of our own are taken, never a foreign address. */
function wanted(): [PageName, Record<string, string>] {
  const [name = "", search = ""] = (route.value.query.get("next") ?? "").split("?", 2);
  const page = NAMES.find((known) => known === name && known !== "login") ?? "hosts";
  return [page, Object.fromEntries(new URLSearchParams(search))];
}

/** Comes back from the login page. */
export function goBackFromLogin(): void {
  go(...wanted(), true);
}

/** The address to come back to from another server. */
export const placeAfterLogin = (): string => pageAddress(...wanted());

addEventListener("popstate", () => {
  route.value = parse(location);
});
