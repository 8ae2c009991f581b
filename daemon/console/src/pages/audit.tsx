/** What was done and refused, newest first. */
import * as api from "../api";
import { Icon } from "../ui/icon";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Exact } from "../ui/time";

/** Details are free-form: shown as the text they are. */
function detailText(detail: unknown): string {
  if (detail === null || detail === undefined || detail === "") return "";
  if (typeof detail === "string") return detail;
  if (typeof detail === "object" && Object.keys(detail).length === 0) return "";
  return JSON.stringify(detail);
}

export function AuditPage() {
  const { items, error, more, reload } = useListed(api.audit);
  return (
    <div class="page">
      <header class="page-head">
        <h1>Audit</h1>
        <button type="button" onClick={reload}>
          <Icon name="retry" /> Refresh
        </button>
      </header>
      {error && <Problem>{error}</Problem>}
      {!items && !error && <Loading what="the audit log" />}
      {items && (
        <table class="stack audit">
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">Who</th>
              <th scope="col">What</th>
              <th scope="col">On</th>
              <th scope="col">From</th>
              <th scope="col">Outcome</th>
              <th scope="col">Details</th>
            </tr>
          </thead>
          <tbody>
            {items.map((entry) => (
              <tr key={entry.seq}>
                <th scope="row">
                  <Exact at={entry.at} />
                </th>
                <td data-label="Who">{entry.actor ?? "–"}</td>
                <td data-label="What">{entry.action}</td>
                <td data-label="On" class="wrap">
                  {entry.object ?? ""}
                </td>
                <td data-label="From">{entry.source ?? ""}</td>
                <td data-label="Outcome">{entry.outcome}</td>
                <td data-label="Details" class="wrap quiet">
                  {detailText(entry.detail)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {more && (
        <button type="button" onClick={more}>
          Show older
        </button>
      )}
    </div>
  );
}
