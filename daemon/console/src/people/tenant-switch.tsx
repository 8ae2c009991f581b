/** The tenant that one works in, where a person belongs to more than one. */
import { signal } from "@preact/signals";
import { pageAddress } from "../route";
import { user, whenLoggedIn, whenLoggedOut } from "../session";
import { complain } from "../ui/toast";
import * as api from "./api";
import type { Membership } from "./wire";

const memberships = signal<readonly Membership[]>([]);

whenLoggedIn(() => {
  api.memberships().then(
    (found) => {
      memberships.value = found;
    },
    // Who has just logged in stays where they are.
    () => {},
  );
});
whenLoggedOut(() => {
  memberships.value = [];
});

export function TenantSwitch() {
  const here = user.value?.tenant.id;
  if (!here || memberships.value.length < 2) return null;
  const change = async (tenant: string) => {
    try {
      await api.switchTenant(tenant);
      // Nothing of the other tenant stays in the page.
      location.assign(pageAddress("hosts"));
    } catch (problem) {
      complain(problem);
    }
  };
  return (
    <select
      class="tenant-switch"
      aria-label="Tenant"
      value={here}
      onChange={(event) => void change(event.currentTarget.value)}
    >
      {memberships.value.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  );
}
