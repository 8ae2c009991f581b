/** One alert of the inbox: what it says, and more of it on demand. */
import type { Indicator } from "gangplank-client";
import { readable } from "../jobs/output";
import { Severity } from "../ui/severity";
import { Ago, Exact } from "../ui/time";
import type { StoredAlert } from "./wire";

const CHANGED: Readonly<Record<StoredAlert["status"], string>> = {
  new: "Open again",
  acknowledged: "Acknowledged",
  closed: "Closed",
};

const words = (indicator: Indicator): string =>
  readable(typeof indicator === "string" ? indicator : JSON.stringify(indicator));

function More({ alert }: { alert: StoredAlert }) {
  return (
    <dl class="facts">
      <dt>Id</dt>
      <dd class="wrap">
        <code>{alert.id}</code>
      </dd>
      <dt>Raised</dt>
      <dd>
        <Exact at={alert.raised_at} />
        {alert.raised > 1 && ` and again, ${alert.raised} times in all`}
      </dd>
      {alert.iocs.length > 0 && (
        <>
          <dt>Indicators</dt>
          <dd>
            <ul class="updates">
              {alert.iocs.map((one) => (
                <li key={words(one)} class="wrap">
                  <code>{words(one)}</code>
                </li>
              ))}
            </ul>
          </dd>
        </>
      )}
      {alert.mitre_techniques.length > 0 && (
        <>
          <dt>Techniques</dt>
          <dd class="wrap">{readable(alert.mitre_techniques.join(", "))}</dd>
        </>
      )}
    </dl>
  );
}

/** What became of it, and who says so. */
function Standing({ alert }: { alert: StoredAlert }) {
  if (alert.status === "new" && alert.changed_by === null) return null;
  return (
    <p class="quiet wrap">
      {CHANGED[alert.status]} {alert.changed_by ? `by ${alert.changed_by}` : "by its source"},{" "}
      <Ago at={alert.changed_at} />
      {alert.note && `: “${readable(alert.note)}”`}
    </p>
  );
}

interface Props {
  alert: StoredAlert;
  chosen: boolean;
  /** Absent when the person may only look. */
  onChoose?: () => void;
}

export function AlertRow({ alert, chosen, onChoose }: Props) {
  const title = readable(alert.title);
  return (
    <li class="entry" data-row={alert.id} tabIndex={-1}>
      {onChoose && (
        <label class="choice">
          <input
            type="checkbox"
            checked={chosen}
            aria-label={`Choose ${title}`}
            onChange={onChoose}
          />
        </label>
      )}
      <div class="entry-main">
        <p class="entry-head">
          <Severity of={readable(alert.severity)} />
          <span class="quiet">{readable(alert.source)}</span>
          <span class="quiet">
            <Ago at={alert.timestamp} />
          </span>
        </p>
        <details>
          <summary class="wrap">{title}</summary>
          <More alert={alert} />
        </details>
        <Standing alert={alert} />
      </div>
    </li>
  );
}
