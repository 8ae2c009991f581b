/** Making and changing a schedule. */
import { parseLabels } from "../pages/host-fields";
import { Field } from "../ui/field";
import { FormDialog, trimmed } from "../ui/form";
import type { Opened } from "../ui/list-page";
import { say } from "../ui/toast";
import * as api from "./api";
import { ScannerFields } from "./scanner-fields";
import type { Scanner, Schedule, ScheduleValues } from "./wire";
import { ORDERED } from "./words";

/** What a field of a duration takes. */
const SPAN = "[0-9]+(ms|s|m|h|d)";

/** A moment as a field for date and time has it, in the person's own time zone. */
export function localMoment(at: string): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return "";
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

/** What the fields say; a first turn that nobody named is not said. */
export function readSchedule(data: FormData, before?: Schedule): Partial<ScheduleValues> {
  const text = (name: string) => trimmed(data, name);
  const starts = text("starts_at");
  // The field has no seconds: untouched, it must not move the schedule.
  const moved = starts !== "" && (!before || starts !== localMoment(before.starts_at));
  return {
    name: text("name"),
    labels: parseLabels(text("labels")),
    scanner: text("scanner") as Scanner,
    profile: text("profile") || null,
    every: text("every"),
    jitter: text("jitter"),
    max_concurrent: Number(text("max_concurrent")),
    ...(moved ? { starts_at: new Date(starts).toISOString() } : {}),
  };
}

function Fields({ schedule }: { schedule: Schedule | undefined }) {
  return (
    <>
      <Field
        label="Name"
        name="name"
        required
        maxLength={255}
        defaultValue={schedule?.name ?? ""}
        placeholder="Databases, nightly"
        autocomplete="off"
      />
      <Field
        label="Hosts that have all of these labels (none: all hosts)"
        name="labels"
        defaultValue={schedule?.labels.join(", ") ?? ""}
        placeholder="db, production"
        autocomplete="off"
        spellcheck={false}
      />
      <ScannerFields
        offered={ORDERED}
        scanner={schedule?.scanner}
        profile={schedule?.profile ?? ""}
        whose="the scanner's"
      />
      <div class="row">
        <Field
          label="Every"
          grow
          name="every"
          required
          pattern={SPAN}
          title="A number with h or d, such as 12h or 7d"
          defaultValue={schedule?.every ?? "1d"}
          autocomplete="off"
        />
        <Field
          label="Spread over"
          grow
          name="jitter"
          required
          pattern={SPAN}
          title="A number with m, h or d, such as 30m"
          defaultValue={schedule?.jitter ?? "1h"}
          autocomplete="off"
        />
        <Field
          label="At once, at most"
          grow
          name="max_concurrent"
          type="number"
          required
          min={1}
          max={10_000}
          defaultValue={schedule?.max_concurrent ?? 10}
        />
      </div>
      <Field
        label="First turn (empty: now)"
        name="starts_at"
        type="datetime-local"
        defaultValue={schedule ? localMoment(schedule.starts_at) : ""}
      />
      <p class="quiet">
        A host that is away is scanned once when it is back, however many turns it missed.
      </p>
    </>
  );
}

export function ScheduleDialog({ schedule, onClose, onDone }: Opened & { schedule?: Schedule }) {
  const submit = async (data: FormData) => {
    const values = readSchedule(data, schedule);
    if (schedule) await api.changeSchedule(schedule.id, values);
    else await api.addSchedule(values);
    say(schedule ? `${values.name} is changed.` : `${values.name} is scheduled.`);
    onDone();
  };
  return (
    <FormDialog
      title={schedule ? `Change ${schedule.name}` : "Add a schedule"}
      action={schedule ? "Save" : "Add schedule"}
      onClose={onClose}
      submit={submit}
    >
      <Fields schedule={schedule} />
    </FormDialog>
  );
}
