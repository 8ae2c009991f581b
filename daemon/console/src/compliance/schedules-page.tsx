/** Scans that are ordered again and again. */
import type { Board } from "../jobs/board";
import { useBoard } from "../jobs/live";
import { may } from "../session";
import { Badges } from "../ui/badges";
import { Confirm } from "../ui/dialog";
import { ListPage, type RowAction, switching } from "../ui/list-page";
import { useListed } from "../ui/load";
import { Ago } from "../ui/time";
import { say } from "../ui/toast";
import * as api from "./api";
import { ScheduleDialog } from "./schedule-form";
import type { Schedule } from "./wire";
import { profileName, SCANNERS } from "./words";

function Turns({ schedule }: { schedule: Schedule }) {
  const { hosts, open, waiting, next_at } = schedule.turns;
  if (!schedule.enabled) return <span class="quiet">switched off</span>;
  const parts = [
    hosts === 1 ? "1 host" : `${hosts} hosts`,
    open > 0 && `${open} being scanned`,
    waiting > 0 && `${waiting} waiting or away`,
  ];
  return (
    <>
      {parts.filter(Boolean).join(", ")}
      {next_at && (
        <span class="quiet">
          {"; next "}
          <Ago at={next_at} />
        </span>
      )}
    </>
  );
}

const actions = (schedule: Schedule): RowAction[] => [
  switching(schedule, (body) => api.changeSchedule(schedule.id, body)),
  { words: "Change", opens: (at) => <ScheduleDialog schedule={schedule} {...at} /> },
  {
    words: "Delete",
    danger: true,
    opens: ({ onClose, onDone }) => (
      <Confirm
        title={`Delete ${schedule.name}?`}
        action="Delete this schedule"
        onClose={onClose}
        onConfirm={async () => {
          await api.deleteSchedule(schedule.id);
          say(`${schedule.name} is deleted.`);
          onDone();
        }}
      >
        <p>No more scans are ordered by it. Those that it ordered, and what they found, stay.</p>
      </Confirm>
    ),
  },
];

/** The scans that are known, and how far they are: when that changes, turns have changed. */
const scans = (board: Board): string =>
  [...board.jobs.values()]
    .filter((job) => job.command === "compliance_scan")
    .map((job) => `${job.id} ${job.state}`)
    .join();

export function SchedulesPage() {
  const board = useBoard(may("jobs:read"));
  const list = useListed(api.schedules, board ? scans(board) : "");
  const manage = may("jobs:run");
  return (
    <ListPage
      title="Schedules"
      crumb={{ to: "compliance", words: "Compliance" }}
      what="schedules"
      list={list}
      empty="Nothing is scheduled. Add a schedule to have hosts scanned by label, such as every night, without all of them at once."
      add={
        manage ? { words: "Add schedule", opens: (at) => <ScheduleDialog {...at} /> } : undefined
      }
      id={({ id }) => id}
      name={({ name }) => name}
      actions={manage ? actions : undefined}
      columns={[
        { head: "Name", wrap: true, cell: ({ name }) => name },
        { head: "Hosts", cell: ({ labels }) => <Badges of={labels} none="all" /> },
        {
          head: "What",
          wrap: true,
          cell: ({ scanner, profile }) => `${SCANNERS[scanner]}, ${profileName(profile ?? "")}`,
        },
        {
          head: "When",
          cell: ({ every, jitter }) => `every ${every}${jitter === "0s" ? "" : `, over ${jitter}`}`,
        },
        { head: "State", cell: (schedule) => <Turns schedule={schedule} /> },
      ]}
    />
  );
}
