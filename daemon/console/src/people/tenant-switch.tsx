/** The tenant that one works in, where a person belongs to more than one. */
import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { ApiError } from "../api";
import { pageAddress } from "../route";
import { user, whenLoggedIn, whenLoggedOut } from "../session";
import { complain } from "../ui/toast";
import * as api from "./api";
import { FactorFirst } from "./factor-first";
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
  const [wanted, setWanted] = useState<Membership | null>(null);
  if (!here || memberships.value.length < 2) return null;
  const change = async (tenant: Membership) => {
    try {
      await api.switchTenant(tenant.id);
      // Nothing of the other tenant stays in the page.
      location.assign(pageAddress("hosts"));
    } catch (problem) {
      const lacks = problem instanceof ApiError && problem.code === "lacks_second_factor";
      setWanted(lacks ? tenant : null);
      if (!lacks) complain(problem);
    }
  };
  const choose = (select: HTMLSelectElement) => {
    const tenant = memberships.value.find(({ id }) => id === select.value);
    // Until they are there, it says where they are.
    select.value = here;
    if (tenant) void change(tenant);
  };
  return (
    <>
      <select
        class="tenant-switch"
        aria-label="Tenant"
        value={here}
        onChange={(event) => choose(event.currentTarget)}
      >
        {memberships.value.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
      {wanted && (
        <FactorFirst
          tenant={wanted.name}
          onClose={() => setWanted(null)}
          onDone={() => void change(wanted)}
        />
      )}
    </>
  );
}
