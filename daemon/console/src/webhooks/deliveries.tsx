/** What went to a webhook, waits for it, or was given up. */
import { useState } from "preact/hooks";
import { Dialog } from "../ui/dialog";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Ago } from "../ui/time";
import { complain, say } from "../ui/toast";
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
    try {
      await api.replay(webhook.id, delivery.id);
      say("It is sent once more.");
    } catch (problem) {
      complain(problem);
    }
    reload();
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
          <table class="stack">
            <thead>
              <tr>
                <th scope="col">Event</th>
                <th scope="col">Written down</th>
                <th scope="col">State</th>
                <th scope="col">Again</th>
              </tr>
            </thead>
            <tbody>
              {items.map((delivery) => (
                <tr key={delivery.id}>
                  <th scope="row">
                    {delivery.topic} {delivery.seq}
                  </th>
                  <td data-label="Written down">
                    <Ago at={delivery.created_at} />
                  </td>
                  <td data-label="State">
                    <State delivery={delivery} />
                  </td>
                  <td class="actions">
                    {delivery.state !== "waiting" && (
                      <button type="button" class="small" onClick={() => void again(delivery)}>
                        Send again
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        {more && (
          <button type="button" onClick={more}>
            More
          </button>
        )}
      </div>
    </Dialog>
  );
}
