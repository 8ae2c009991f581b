/** What of a feed is shown. Choices are those that occur in what is held. */
import type { RefObject } from "preact";
import { useMemo } from "preact/hooks";
import { Icon } from "../ui/icon";
import type { Entry } from "./entry";
import { EVERYTHING, type Filter } from "./log";

interface Props {
  rows: readonly Entry[];
  filter: Filter;
  onChange: (filter: Filter) => void;
  field: RefObject<HTMLInputElement | null>;
}

interface ChoiceProps {
  name: "severity" | "type" | "host";
  all: string;
  options: ReadonlyMap<string, string>;
}

/** Values that occur, with what is shown for each. What is chosen stays, to be taken back. */
function occurring(rows: readonly Entry[], filter: Filter) {
  const severity = new Map<string, string>();
  const type = new Map<string, string>();
  const host = new Map<string, string>();
  const chosen = (map: Map<string, string>, value: string) => {
    if (value !== "") map.set(value, value);
  };
  chosen(severity, filter.severity);
  chosen(type, filter.type);
  chosen(host, filter.host);
  for (const row of rows) {
    if (row.severity) severity.set(row.severity, row.severity);
    type.set(row.type, row.type);
    if (row.host) host.set(row.host.id, row.host.name);
  }
  return { severity, type, host };
}

export function Filters({ rows, filter, onChange, field }: Props) {
  const found = useMemo(() => occurring(rows, filter), [rows, filter]);
  const choice = ({ name, all, options }: ChoiceProps) =>
    options.size > 0 && (
      <select
        class="fit"
        aria-label={name}
        value={filter[name]}
        onChange={(event) => onChange({ ...filter, [name]: event.currentTarget.value })}
      >
        <option value="">{all}</option>
        {[...options].map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    );
  return (
    <search class="row">
      <span class="search-field">
        <Icon name="search" />
        <input
          ref={field}
          type="search"
          aria-label="Search this feed"
          aria-keyshortcuts="/"
          placeholder="Search this feed"
          value={filter.words}
          onInput={(event) => onChange({ ...filter, words: event.currentTarget.value })}
        />
        <span class="kbd" aria-hidden="true">
          /
        </span>
      </span>
      {choice({ name: "severity", all: "every severity", options: found.severity })}
      {choice({ name: "type", all: "every kind", options: found.type })}
      {choice({ name: "host", all: "every host", options: found.host })}
      <input
        class="case-field"
        aria-label="Case"
        placeholder="Case"
        value={filter.case}
        onInput={(event) => onChange({ ...filter, case: event.currentTarget.value })}
      />
      {filter !== EVERYTHING && (
        <button type="button" onClick={() => onChange(EVERYTHING)}>
          Show all
        </button>
      )}
    </search>
  );
}
