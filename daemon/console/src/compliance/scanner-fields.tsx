/** With what a host is scanned, and for what. */
import { Field } from "../ui/field";
import type { Scanner } from "./wire";
import { SCANNERS } from "./words";

interface Props {
  offered: readonly Scanner[];
  scanner?: Scanner | undefined;
  profile?: string | undefined;
  /** Whose choice it is where nothing is written. */
  whose: string;
}

export function ScannerFields({ offered, scanner, profile = "", whose }: Props) {
  return (
    <div class="row">
      <label class="field">
        <span>Scanner</span>
        <select name="scanner">
          {offered.map((name) => (
            <option key={name} value={name} selected={name === scanner}>
              {SCANNERS[name]}
            </option>
          ))}
        </select>
      </label>
      <Field
        label="Profile"
        grow
        name="profile"
        maxLength={256}
        defaultValue={profile}
        placeholder={`${whose} own choice`}
        autocomplete="off"
        spellcheck={false}
      />
    </div>
  );
}
