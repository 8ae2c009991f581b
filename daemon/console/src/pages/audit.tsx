/** What was done and refused, newest first. */
import * as api from "../api";
import { Icon } from "../ui/icon";
import { useListed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Table } from "../ui/table";
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
        <Table
          class="audit"
          items={items}
          id={({ seq }) => seq}
          columns={[
            { head: "When", cell: ({ at }) => <Exact at={at} /> },
            { head: "Who", cell: ({ actor }) => actor ?? "–" },
            { head: "What", cell: ({ action }) => action },
            { head: "On", wrap: true, cell: ({ object }) => object ?? "" },
            { head: "From", cell: ({ source }) => source ?? "" },
            { head: "Outcome", cell: ({ outcome }) => outcome },
            { head: "Details", wrap: true, quiet: true, cell: ({ detail }) => detailText(detail) },
          ]}
        />
      )}
      {more && (
        <button type="button" onClick={more}>
          Show older
        </button>
      )}
    </div>
  );
}
