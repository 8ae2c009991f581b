/** Scans that are ordered again and again. */
import { useState } from "preact/hooks";
import type { Board } from "../jobs/board";
import { useBoard } from "../jobs/live";
import { may } from "../session";
import { useBusy } from "../ui/busy";
import { Confirm } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { Link } from "../ui/link";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Ago } from "../ui/time";
import { complain, say } from "../ui/toast";
import * as api from "./api";
import { ScheduleDialog } from "./schedule-form";
import type { Schedule } from "./wire";
import { profileName, SCANNERS } from "./words";

type Asking = { what: "edit" | "delete"; schedule: Schedule } | { what: "add" } | null;

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

interface RowProps {
  schedule: Schedule;
  ask: (what: "edit" | "delete") => void;
  reload: () => void;
}

function Row({ schedule, ask, reload }: RowProps) {
  const { busy, run } = useBusy();
  const { id, name, enabled, labels } = schedule;
  const turn = async () => {
    await api.changeSchedule(id, { enabled: !enabled }).catch(complain);
    reload();
  };
  return (
    <tr>
      <th scope="row" class="wrap">
        {name}
      </th>
      <td data-label="Hosts">
        {labels.map((label) => (
          <span key={label} class="badge">
            {label}
          </span>
        ))}
        {labels.length === 0 && "all"}
      </td>
      <td data-label="What" class="wrap">
        {SCANNERS[schedule.scanner]}, {profileName(schedule.profile ?? "")}
      </td>
      <td data-label="When">
        every {schedule.every}
        {schedule.jitter !== "0s" && `, over ${schedule.jitter}`}
      </td>
      <td data-label="State">
        <Turns schedule={schedule} />
      </td>
      <td class="actions">
        {may("jobs:run") && (
          <>
            <button
              type="button"
              class="small"
              disabled={busy}
              aria-label={`Switch ${name} ${enabled ? "off" : "on"}`}
              onClick={() => run(turn)}
            >
              {enabled ? "Switch off" : "Switch on"}
            </button>
            <button
              type="button"
              class="small"
              aria-label={`Change ${name}`}
              onClick={() => ask("edit")}
            >
              Change
            </button>
            <button
              type="button"
              class="small danger"
              aria-label={`Delete ${name}`}
              onClick={() => ask("delete")}
            >
              Delete
            </button>
          </>
        )}
      </td>
    </tr>
  );
}

function Delete(props: { schedule: Schedule; onClose: () => void; onDone: () => void }) {
  const { schedule, onClose, onDone } = props;
  const { busy, error, run } = useBusy();
  return (
    <Confirm
      title={`Delete ${schedule.name}?`}
      action="Delete this schedule"
      busy={busy}
      onClose={onClose}
      onConfirm={() =>
        run(async () => {
          await api.deleteSchedule(schedule.id);
          say(`${schedule.name} is deleted.`);
          onDone();
        })
      }
    >
      {error && <Problem>{error}</Problem>}
      <p>No more scans are ordered by it. Those that it ordered, and what they found, stay.</p>
    </Confirm>
  );
}

/** The scans that are known, and how far they are: when that changes, turns have changed. */
const scans = (board: Board): string =>
  [...board.jobs.values()]
    .filter((job) => job.command === "compliance_scan")
    .map((job) => `${job.id} ${job.state}`)
    .join();

export function SchedulesPage() {
  const board = useBoard(may("jobs:read"));
  const { items, error, more, reload } = useListed(api.schedules, board ? scans(board) : "");
  const [asking, setAsking] = useState<Asking>(null);
  const close = () => setAsking(null);
  const done = () => {
    close();
    reload();
  };
  return (
    <div class="page">
      <nav aria-label="Place" class="crumbs">
        <Link to="compliance">Compliance</Link> <span aria-hidden="true">/</span>
      </nav>
      <header class="page-head">
        <h1>Schedules</h1>
        {may("jobs:run") && (
          <button type="button" class="primary" onClick={() => setAsking({ what: "add" })}>
            <Icon name="add" /> Add schedule
          </button>
        )}
      </header>
      {error && <Problem>{error}</Problem>}
      {!items && !error && <Loading what="schedules" />}
      {items && items.length === 0 && (
        <div class="empty">
          <p>
            Nothing is scheduled. Add a schedule to have hosts scanned by label, such as every
            night, without all of them at once.
          </p>
        </div>
      )}
      {items && items.length > 0 && (
        <table class="stack">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Hosts</th>
              <th scope="col">What</th>
              <th scope="col">When</th>
              <th scope="col">State</th>
              <th scope="col">
                <span class="unseen">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {items.map((schedule) => (
              <Row
                key={schedule.id}
                schedule={schedule}
                ask={(what) => setAsking({ what, schedule })}
                reload={reload}
              />
            ))}
          </tbody>
        </table>
      )}
      {more && (
        <button type="button" onClick={more}>
          Show more
        </button>
      )}
      {asking?.what === "add" && <ScheduleDialog onClose={close} onDone={done} />}
      {asking?.what === "edit" && (
        <ScheduleDialog schedule={asking.schedule} onClose={close} onDone={done} />
      )}
      {asking?.what === "delete" && (
        <Delete schedule={asking.schedule} onClose={close} onDone={done} />
      )}
    </div>
  );
}
