/** What went to a webhook, waits for it, or was given up. */
import { useState } from "preact/hooks";
import { Dialog } from "../ui/dialog";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Table } from "../ui/table";
import { Ago } from "../ui/time";
import { say } from "../ui/toast";
import * as api from "./api";
import type { Delivery, Webhook } from "./wire";

const STATES: readonly (readonly [string, string])[] = [
  ["", "All"],
  ["waiting", "Waiting"],
  ["delivered", "Delivered"],
  ["dead", "Given up"],
];

function State({ delivery }: { delivery: Delivery }) {
  const { state, attempts, status, error, next_at, settled_at } = delivery;
  const tries = attempts === 1 ? "1 attempt" : `${attempts} attempts`;
  if (state === "delivered") return <>Delivered {settled_at && <Ago at={settled_at} />}</>;
  return (
    <>
      {state === "dead" ? "Given up" : "Waiting"} after {tries}
      {state === "waiting" && attempts > 0 && (
        <>
          {", again "}
          <Ago at={next_at} />
        </>
      )}
      {(error ?? status) !== null && <p class="quiet wrap">{error ?? `HTTP ${status}`}</p>}
    </>
  );
}

export function Deliveries({ webhook, onClose }: { webhook: Webhook; onClose: () => void }) {
  const [state, setState] = useState("");
  const { items, error, more, reload } = useListed(
    (cursor) => api.deliveries(webhook.id, state, cursor),
    state,
  );
  const again = async (delivery: Delivery) => {
    await api.replay(webhook.id, delivery.id).finally(reload);
    say("It is sent once more.");
  };
  return (
    <Dialog title={`Deliveries to ${webhook.name}`} onClose={onClose} wide>
      <div class="dialog-body">
        <div class="page-head">
          <label class="field inline">
            <span>Show</span>
            <select value={state} onChange={(event) => setState(event.currentTarget.value)}>
              {STATES.map(([value, words]) => (
                <option key={value} value={value}>
                  {words}
                </option>
              ))}
            </select>
          </label>
          <button type="button" class="small" onClick={reload}>
            Look again
          </button>
        </div>
        {error && <Problem>{error}</Problem>}
        {!items && !error && <Loading what="deliveries" />}
        {items?.length === 0 && <p class="quiet">There are none.</p>}
        {items && items.length > 0 && (
          <Table
            items={items}
            id={({ id }) => id}
            name={({ topic, seq }) => `${topic} ${seq}`}
            columns={[
              { head: "Event", cell: ({ topic, seq }) => `${topic} ${seq}` },
              { head: "Written down", cell: ({ created_at }) => <Ago at={created_at} /> },
              { head: "State", cell: (delivery) => <State delivery={delivery} /> },
            ]}
            actions={(delivery) =>
              delivery.state === "waiting"
                ? []
                : [{ words: "Send again", does: () => again(delivery) }]
            }
          />
        )}
        {more && (
          <button type="button" onClick={more}>
            Show more
          </button>
        )}
      </div>
    </Dialog>
  );
}
