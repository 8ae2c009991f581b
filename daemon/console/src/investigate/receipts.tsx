/** What was done for the case, as its receipts say. */
import { useFeed } from "../feed/follow";
import { Link } from "../ui/link";
import { Problem } from "../ui/notice";
import { Ago } from "../ui/time";

/** Receipts of one case that are listed. */
const LISTED = 50;

export function CaseReceipts({ caseId }: { caseId: string }) {
  const { log, error, older } = useFeed("receipts");
  const rows = log.rows.filter((row) => row.case === caseId).slice(0, LISTED);
  return (
    <section>
      <h2>Receipts of {caseId}</h2>
      {error && <Problem>{error}</Problem>}
      {rows.length === 0 && <p class="quiet">None yet.</p>}
      <ul class="entries">
        {rows.map((row) => (
          <li key={row.seq} class="entry">
            <p class="entry-head">
              <span class="quiet">
                <Ago at={row.at} />
              </span>
              <span class="badge">{row.type}</span>
              {row.host && (
                <Link to="host" query={{ id: row.host.id }}>
                  {row.host.name}
                </Link>
              )}
              <span class="wrap">{row.text}</span>
            </p>
          </li>
        ))}
      </ul>
      {log.older && log.rows.length > 0 && (
        <button type="button" class="small" onClick={older}>
          Look further back
        </button>
      )}
    </section>
  );
}
