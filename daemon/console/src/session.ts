/** Who is logged in, and what begins and ends with that. */
import { signal } from "@preact/signals";
import * as api from "./api";
import { clearHosts } from "./hosts";
import { whenInDoubt } from "./live";
import { goToLogin } from "./route";
import { startWatching, stopWatching } from "./watch";
import type { User } from "./wire";

/** Undefined until the daemon has said; null without a login. */
export const user = signal<User | null | undefined>(undefined);
/** Why the daemon could not be asked. */
export const startError = signal<string | null>(null);

const beginnings = new Set<(who: User) => void>();
const endings = new Set<(byPerson: boolean) => void>();

/** Runs when a login begins, before anybody else knows of it. */
export function whenLoggedIn(run: (who: User) => void): void {
  beginnings.add(run);
}

/** Runs when a login ends: by the person here, or because it ran out or was ended elsewhere. */
export function whenLoggedOut(run: (byPerson: boolean) => void): void {
  endings.add(run);
}

/** Rights that others bring with them, as the daemon reads them. */
const BROUGHT_BY: Readonly<Record<string, readonly string[]>> = {
  "jobs:run": ["can_manage_hosts"],
  "jobs:read": ["can_manage_hosts", "jobs:run"],
  "compliance:read": ["can_manage_hosts"],
  "ws:alerts": ["alerts:manage"],
};

/** What not even an admin of a tenant may, unless it is said of them. */
const ABOVE_TENANTS = "tenants:manage";

/** Whether the person may do something; an admin may do everything within their tenant. */
export function may(permission: string): boolean {
  const held = user.value?.permissions ?? [];
  if (permission === ABOVE_TENANTS) return held.includes(permission);
  const enough = [permission, "admin", ...(BROUGHT_BY[permission] ?? [])];
  return enough.some((one) => held.includes(one));
}

function begin(who: User): void {
  startError.value = null;
  const before = user.value;
  // Who has to enrol a second factor first finds every other door closed.
  if (who.must_enrol) {
    user.value = who;
    return;
  }
  if (before?.id === who.id && !before.must_enrol) {
    if (before.permissions.join() === who.permissions.join()) return;
    user.value = who;
    startWatching(may);
    return;
  }
  for (const run of beginnings) run(who);
  user.value = who;
  startWatching(may);
}

function end(byPerson: boolean): void {
  if (user.value === null) return;
  stopWatching();
  clearHosts();
  user.value = null;
  for (const run of endings) run(byPerson);
}

/** Asks the daemon who we are. */
export async function ask(): Promise<void> {
  try {
    begin((await api.me()).user);
  } catch (error) {
    if (error instanceof api.ApiError && error.status === 401) {
      lost();
    } else if (user.value === undefined) {
      startError.value = error instanceof Error ? error.message : String(error);
    }
  }
}

/** The login is gone: to the login page, keeping the place. */
export function lost(): void {
  end(false);
  goToLogin();
}

export async function login(shown: api.Login): Promise<void> {
  begin((await api.login(shown)).user);
}

/** Goes on as somebody whom the daemon has let in another way than by password. */
export function welcome(who: User): void {
  begin(who);
}

export async function logout(): Promise<void> {
  await api.logout();
  end(true);
  goToLogin();
}

api.whenUnauthorized(lost);
whenInDoubt(async () => {
  await ask();
  return Boolean(user.value);
});
