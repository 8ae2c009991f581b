/** One command to many hosts: how far it is, and what stops it. */
import { useState } from "preact/hooks";
import { may } from "../session";
import { useBusy } from "../ui/busy";
import { Confirm } from "../ui/dialog";
import { Ago } from "../ui/time";
import { complain } from "../ui/toast";
import * as api from "./api";
import { progressOf } from "./board";
import type { Batch } from "./wire";

const STATES: Readonly<Record<Batch["state"], string>> = {
  running: "running",
  paused: "paused",
  halted: "halted",
  done: "done",
};

/** The parts of a bar, as wide as they are many. SVG, because the page takes no style of an element. */
function Bar({ batch }: { batch: Batch }) {
  const { good, bad, off, running, total } = progressOf(batch);
  const over = good + bad + off;
  const width = (count: number) => `${total === 0 ? 0 : (100 * count) / total}%`;
  const parts: [string, number][] = [
    ["good", good],
    ["bad", bad],
    ["off", off],
    ["now", running],
  ];
  let before = 0;
  return (
    <svg
      class="bar"
      role="img"
      aria-label={`${over} of ${total} hosts are done`}
      preserveAspectRatio="none"
    >
      {parts.map(([part, count]) => {
        const x = width(before);
        before += count;
        return <rect key={part} class={part} x={x} width={width(count)} height="100%" />;
      })}
    </svg>
  );
}

function Words({ batch }: { batch: Batch }) {
  const { good, bad, off, running, total } = progressOf(batch);
  const parts = [
    `${good + bad + off} of ${total} hosts`,
    running > 0 && `${running} running`,
    bad > 0 && `${bad} failed`,
    off > 0 && `${off} called off`,
    batch.last_ring > 0 && `ring ${batch.ring + 1} of ${batch.last_ring + 1}`,
  ];
  return <span class="quiet">{parts.filter(Boolean).join(", ")}</span>;
}

function BatchRow({ batch }: { batch: Batch }) {
  const { busy, run } = useBusy();
  const [halting, setHalting] = useState(false);
  const open = batch.state === "running" || batch.state === "paused";
  const steer = (to: "pause" | "resume") =>
    run(() => api.steer(batch.id, to).then(() => {}, complain));
  return (
    <li class="batch">
      <div>
        <strong>{batch.command}</strong>{" "}
        <span class={batch.state === "paused" ? "badge warn" : "badge"}>{STATES[batch.state]}</span>{" "}
        <span class="quiet">
          by {batch.created_by}, <Ago at={batch.created_at} />
        </span>
      </div>
      <Bar batch={batch} />
      <Words batch={batch} />
      {batch.reason && <p class="wrap">{batch.reason}</p>}
      {open && may("jobs:run") && (
        <div class="row">
          {batch.state === "running" ? (
            <button type="button" class="small" disabled={busy} onClick={() => steer("pause")}>
              Pause
            </button>
          ) : (
            <button type="button" class="small" disabled={busy} onClick={() => steer("resume")}>
              Resume
            </button>
          )}
          <button type="button" class="small danger" onClick={() => setHalting(true)}>
            Halt
          </button>
        </div>
      )}
      {halting && (
        <Confirm
          title="Halt this batch?"
          action="Halt it"
          onClose={() => setHalting(false)}
          onConfirm={async () => {
            await api.steer(batch.id, "halt");
            setHalting(false);
          }}
        >
          <p>
            What waits of <strong>{batch.command}</strong> is called off for good, and what runs is
            asked to stop.
          </p>
        </Confirm>
      )}
    </li>
  );
}

export function Batches({ batches }: { batches: readonly Batch[] }) {
  if (batches.length === 0) return null;
  return (
    <section>
      <h2>Batches</h2>
      <ul class="batches">
        {batches.map((batch) => (
          <BatchRow key={batch.id} batch={batch} />
        ))}
      </ul>
    </section>
  );
}
