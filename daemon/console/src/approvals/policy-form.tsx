/** Making and changing a policy of approvals. */
import { parseLabels } from "../pages/host-fields";
import { Field } from "../ui/field";
import { FormDialog, trimmed } from "../ui/form";
import type { Opened } from "../ui/list-page";
import { say } from "../ui/toast";
import type { ConnectionMode } from "../wire";
import * as api from "./api";
import type { Policy, PolicyValues, Risk } from "./wire";
import { RISKS } from "./words";

const COMMANDS = [
  "run_tool",
  "update_packages",
  "update_agent",
  "settings_update",
  "compliance_scan",
  "docker_inventory",
  "report_now",
  "refresh_integration_status",
];

const TERMINALS: readonly [ConnectionMode, string][] = [
  ["direct", "direct SSH"],
  ["proxy", "SSH by the agent"],
  ["pty", "the agent's own"],
];

/** The person's own distance from UTC, as a policy has it. */
export function utcOffset(minutes: number): string {
  const ahead = -minutes;
  const two = (value: number) => String(value).padStart(2, "0");
  const size = Math.abs(ahead);
  return `${ahead < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** What the fields say. */
export function readPolicy(data: FormData): Partial<PolicyValues> {
  const text = (name: string) => trimmed(data, name);
  const all = (name: string) => data.getAll(name).map(String);
  const [from, to] = [text("from"), text("to")];
  return {
    name: text("name"),
    commands: all("commands"),
    tools: parseLabels(text("tools")),
    terminals: all("terminals") as ConnectionMode[],
    labels: parseLabels(text("labels")),
    roles: parseLabels(text("roles")),
    hours: from && to ? { from, to, utc_offset: text("utc_offset") } : null,
    risk_level: text("risk_level") as Risk,
    life: text("life"),
  };
}

interface ChoicesProps {
  legend: string;
  name: string;
  options: readonly (readonly [string, string])[];
  chosen: readonly string[];
}

function Choices({ legend, name, options, chosen }: ChoicesProps) {
  return (
    <fieldset class="choices many">
      <legend>{legend}</legend>
      {options.map(([value, words]) => (
        <label key={value} class="choice">
          <input
            type="checkbox"
            name={name}
            value={value}
            defaultChecked={chosen.includes(value)}
          />
          {words}
        </label>
      ))}
    </fieldset>
  );
}

function Words(props: { label: string; name: string; value: readonly string[]; hint: string }) {
  return (
    <Field
      label={props.label}
      grow
      name={props.name}
      defaultValue={props.value.join(", ")}
      placeholder={props.hint}
      autocomplete="off"
      spellcheck={false}
    />
  );
}

function Fields({ policy }: { policy: Policy | undefined }) {
  const risk = policy?.risk_level ?? "medium";
  return (
    <>
      <Field
        label="Name"
        name="name"
        required
        maxLength={255}
        defaultValue={policy?.name ?? ""}
        placeholder="Production, out of hours"
        autocomplete="off"
      />
      <p class="quiet">Nothing chosen below means every command and every terminal.</p>
      <Choices
        legend="Commands"
        name="commands"
        options={COMMANDS.map((name) => [name, name] as const)}
        chosen={policy?.commands ?? []}
      />
      <Words
        label="Tools that run_tool starts"
        name="tools"
        value={policy?.tools ?? []}
        hint="restart, isolate"
      />
      <Choices
        legend="Terminals"
        name="terminals"
        options={TERMINALS}
        chosen={policy?.terminals ?? []}
      />
      <div class="row">
        <Words
          label="On hosts with all of these labels (none: all)"
          name="labels"
          value={policy?.labels ?? []}
          hint="production"
        />
        <Words
          label="For these roles (none: everybody)"
          name="roles"
          value={policy?.roles ?? []}
          hint="operator"
        />
      </div>
      <div class="row">
        <Field
          label="From (empty: always)"
          grow
          name="from"
          type="time"
          defaultValue={policy?.hours?.from ?? ""}
        />
        <Field label="To" grow name="to" type="time" defaultValue={policy?.hours?.to ?? ""} />
        <Field
          label="Ahead of UTC by"
          grow
          name="utc_offset"
          required
          pattern="[+\-][0-9]{2}:[0-9]{2}"
          title="Such as +01:00"
          defaultValue={policy?.hours?.utc_offset ?? utcOffset(new Date().getTimezoneOffset())}
          autocomplete="off"
        />
      </div>
      <div class="row">
        <label class="field grow">
          <span>Risk</span>
          <select name="risk_level" defaultValue={risk}>
            {RISKS.map((name) => (
              <option key={name} value={name} selected={name === risk}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <Field
          label="A request stands for"
          grow
          name="life"
          required
          pattern="[0-9]+(s|m|h|d)"
          title="A number with m, h or d, such as 30m"
          defaultValue={policy?.life ?? "1h"}
          autocomplete="off"
        />
      </div>
    </>
  );
}

export function PolicyDialog({ policy, onClose, onDone }: Opened & { policy?: Policy }) {
  const submit = async (data: FormData) => {
    const values = readPolicy(data);
    if (policy) await api.changePolicy(policy.id, values);
    else await api.addPolicy(values);
    say(policy ? `${values.name} is changed.` : `${values.name} is in force.`);
    onDone();
  };
  return (
    <FormDialog
      title={policy ? `Change ${policy.name}` : "Add a policy"}
      action={policy ? "Save" : "Add policy"}
      onClose={onClose}
      submit={submit}
      wide
    >
      <Fields policy={policy} />
    </FormDialog>
  );
}
