/** Which hosts are asked: searched for by name or label, and picked. */
import { useState } from "preact/hooks";
import { sortedHosts } from "../hosts";
import { matches } from "../pages/hosts";
import { PresenceMark } from "../ui/presence";
import type { Host } from "../wire";
import { MOST_HOSTS } from "./run";

interface Props {
  picked: ReadonlySet<string>;
  onChange: (picked: ReadonlySet<string>) => void;
}

/** PatchMon's agents have no words for tools. */
export const canRun = (host: Host): boolean =>
  host.agent === "gangplank" && host.status.state !== "pending";

export function HostsField({ picked, onChange }: Props) {
  const [words, setWords] = useState("");
  const all = sortedHosts.value.filter(canRun);
  const found = all.filter((host) => matches(host, words.trim(), new Set()));
  const toggle = (id: string) => {
    const next = new Set(picked);
    if (!next.delete(id)) next.add(id);
    onChange(next);
  };
  const online = found.filter(({ status }) => status.state === "online").map(({ id }) => id);
  return (
    <fieldset class="choices picking">
      <legend>Hosts</legend>
      <div class="entry-bar">
        <input
          class="grow"
          type="search"
          aria-label="Search by name or label"
          placeholder="Search by name or label"
          value={words}
          onInput={(event) => setWords(event.currentTarget.value)}
          onKeyDown={(event) => {
            // To search is not to run.
            if (event.key === "Enter") event.preventDefault();
          }}
        />
        <button
          type="button"
          class="small"
          onClick={() => onChange(new Set([...picked, ...online].slice(0, MOST_HOSTS)))}
        >
          All online
        </button>
        <button type="button" class="small" onClick={() => onChange(new Set())}>
          None
        </button>
        <span class="quiet" role="status">
          {picked.size} of at most {MOST_HOSTS} chosen
        </span>
      </div>
      {all.length === 0 && <p class="quiet">No host has an agent that can run tools.</p>}
      <div class="picks">
        {found.map((host) => (
          <label key={host.id} class="choice">
            <input
              type="checkbox"
              checked={picked.has(host.id)}
              disabled={!picked.has(host.id) && picked.size >= MOST_HOSTS}
              onChange={() => toggle(host.id)}
            />
            <span class="wrap">{host.friendly_name}</span> <PresenceMark status={host.status} />
          </label>
        ))}
      </div>
    </fieldset>
  );
}
