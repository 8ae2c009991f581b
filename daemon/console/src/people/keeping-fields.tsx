/** The fields of how long things are kept. */
import { Field } from "../ui/field";
import { AGES, showTopics } from "./keeping";
import type { Keeping } from "./wire";

const LABELS = {
  jobs: "Commands and approvals that are over",
  scans: "Compliance scans",
  telemetry: "Measurements",
  records: "Other rows of devices",
} as const;

/** `most` is shown where nothing is said. */
export function KeepingFields({ said, most }: { said: Keeping; most?: Keeping }) {
  const age = (name: string, label: string, value?: string, usual?: string) => (
    <Field
      key={name}
      label={label}
      name={name}
      defaultValue={value ?? ""}
      placeholder={usual ?? "30d"}
      pattern="[0-9]+(ms|s|m|h|d)"
      title="A time such as 12h or 30d"
      autocomplete="off"
    />
  );
  return (
    <>
      {age("events-age", "Events", said.events.age, most?.events.age)}
      <Field
        label="Events of each topic at most"
        name="events-count"
        type="number"
        min={1}
        max={4294967295}
        defaultValue={said.events.count ?? ""}
        placeholder={String(most?.events.count ?? "")}
      />
      <label class="field">
        <span>Topics that are kept otherwise, one a line: TOPIC=AGE/NUMBER</span>
        <textarea
          name="topics"
          rows={2}
          spellcheck={false}
          placeholder="alerts=30d/5000"
          defaultValue={showTopics(said.topics)}
        />
      </label>
      {AGES.map((name) => age(name, LABELS[name], said[name], most?.[name]))}
    </>
  );
}
