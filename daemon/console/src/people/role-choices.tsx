/** Which roles somebody has, and for how long. */
import type { Grant, Role } from "./wire";

const HOUR = 3_600_000;
const SPANS: readonly [string, string, number][] = [
  ["1h", "for an hour", HOUR],
  ["8h", "for 8 hours", 8 * HOUR],
  ["1d", "for a day", 24 * HOUR],
  ["7d", "for a week", 7 * 24 * HOUR],
  ["30d", "for 30 days", 30 * 24 * HOUR],
];

const KEEP = "keep";

/** What the form's fields say, as the daemon takes it. */
export function chosenRoles(data: FormData, before: readonly Grant[], now: number): Grant[] {
  return data.getAll("roles").map((value) => {
    const role = String(value);
    const until = String(data.get(`until-${role}`) ?? "");
    const had = before.find((grant) => grant.role === role)?.expires_at ?? null;
    const span = SPANS.find(([name]) => name === until);
    const expires_at = span ? new Date(now + span[2]).toISOString() : until === KEEP ? had : null;
    return { role, expires_at };
  });
}

export function RoleChoices({ roles, given }: { roles: readonly Role[]; given: readonly Grant[] }) {
  return (
    <fieldset class="choices role-choices">
      <legend>Roles</legend>
      {roles.map(({ name }) => {
        const grant = given.find(({ role }) => role === name);
        const ends = grant?.expires_at ? new Date(grant.expires_at) : null;
        return (
          <div key={name} class="role-choice">
            <label class="choice">
              <input type="checkbox" name="roles" value={name} defaultChecked={Boolean(grant)} />
              {name}
            </label>
            <select
              name={`until-${name}`}
              aria-label={`How long ${name} is given`}
              defaultValue={ends ? KEEP : ""}
            >
              {ends && <option value={KEEP}>until {ends.toLocaleString()}</option>}
              <option value="">for good</option>
              {SPANS.map(([value, words]) => (
                <option key={value} value={value}>
                  {words}
                </option>
              ))}
            </select>
          </div>
        );
      })}
    </fieldset>
  );
}
