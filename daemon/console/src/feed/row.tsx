/** One event: a line of it, and all of it when it is opened. */
import { readable } from "../jobs/output";
import { Link } from "../ui/link";
import { Severity } from "../ui/severity";
import { Exact } from "../ui/time";
import type { Entry } from "./entry";

interface Props {
  entry: Entry;
  /** From 1, and of how many; none where nobody knows. */
  position: number;
  of: number | null;
  open: boolean;
  onToggle: (open: boolean) => void;
}

const pretty = (json: string): string => JSON.stringify(JSON.parse(json), null, 2);

export function Row({ entry, position, of, open, onToggle }: Props) {
  return (
    <article
      class="entry"
      data-row={entry.seq}
      tabIndex={-1}
      aria-posinset={position}
      aria-setsize={of ?? -1}
      aria-label={`${entry.type} ${entry.text}`}
    >
      <div class="entry-main">
        <p class="entry-head">
          <span class="quiet">
            <Exact at={entry.at} />
          </span>
          <span class="badge">{entry.type}</span>
          {entry.severity && <Severity of={entry.severity} />}
          {entry.host && (
            <Link to="host" query={{ id: entry.host.id }}>
              {entry.host.name}
            </Link>
          )}
          {entry.case && <span class="quiet">case {entry.case}</span>}
        </p>
        <details open={open} onToggle={(event) => onToggle(event.currentTarget.open)}>
          <summary class="host-text">{entry.text || entry.type}</summary>
          {open && <pre class="output">{readable(pretty(entry.json))}</pre>}
        </details>
      </div>
    </article>
  );
}
