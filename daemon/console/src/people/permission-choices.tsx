/** Which permissions a role or a token has. */
import { may } from "../session";

interface Props {
  legend: string;
  permissions: readonly string[];
  given: readonly string[];
}

/** Nobody gives what they don't have, so the rest can't be chosen. */
export function PermissionChoices({ legend, permissions, given }: Props) {
  return (
    <fieldset class="choices many">
      <legend>{legend}</legend>
      {permissions.map((permission) => (
        <label key={permission} class="choice">
          <input
            type="checkbox"
            name="permissions"
            value={permission}
            defaultChecked={given.includes(permission)}
            disabled={!may(permission)}
          />
          <code>{permission}</code>
        </label>
      ))}
    </fieldset>
  );
}
