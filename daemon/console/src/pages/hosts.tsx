/** All hosts, live. */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as api from "../api";
import { hosts, hostsError, rememberHost, sortedHosts } from "../hosts";
import { may } from "../session";
import { openTerminal } from "../terminal/tabs";
import { ways } from "../terminal/ways";
import { Icon } from "../ui/icon";
import { Link } from "../ui/link";
import { Loading, Problem } from "../ui/notice";
import { PresenceMark } from "../ui/presence";
import { Ago } from "../ui/time";
import { complain, say } from "../ui/toast";
import type { Host } from "../wire";
import { AddHost } from "./add-host";

// Kept while other pages are shown.
const search = signal("");
const chosen = signal<ReadonlySet<string>>(new Set());
const adding = signal(false);

/** Whether a host is meant by the words searched for and carries every chosen label. */
export function matches(host: Host, words: string, labels: ReadonlySet<string>): boolean {
  for (const label of labels) if (!host.labels.includes(label)) return false;
  const text = [host.friendly_name, host.hostname, host.address, host.os, ...host.labels]
    .filter((part) => part !== null)
    .join(" ")
    .toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function toggle(label: string): void {
  const next = new Set(chosen.value);
  if (!next.delete(label)) next.add(label);
  chosen.value = next;
}

function Labels({ list }: { list: readonly Host[] }) {
  // A chosen label stays to be taken back, also when no host carries it any more.
  const labels = new Set([...chosen.value, ...list.flatMap((host) => host.labels)]);
  if (labels.size === 0) return null;
  return (
    <fieldset class="chips">
      <legend class="unseen">Only hosts with the labels</legend>
      {[...labels].sort().map((label) => (
        <button
          key={label}
          type="button"
          class="chip"
          aria-pressed={chosen.value.has(label)}
          onClick={() => toggle(label)}
        >
          {label}
        </button>
      ))}
    </fieldset>
  );
}

async function accept(host: Host): Promise<void> {
  try {
    rememberHost(await api.acceptHost(host.id));
    say(`${host.friendly_name} is accepted.`);
  } catch (error) {
    complain(error);
  }
}

function Row({ host }: { host: Host }) {
  const system = [host.os, host.os_version].filter(Boolean).join(" ");
  const place = [host.hostname !== host.friendly_name && host.hostname, host.address]
    .filter(Boolean)
    .join(" · ");
  const pending = host.status.state === "pending";
  return (
    <li class="host">
      <PresenceMark status={host.status} />
      <div class="host-name">
        <Link to="host" query={{ id: host.id }}>
          {host.friendly_name}
        </Link>
        {(host.host_keys_pending?.length ?? 0) > 0 && <span class="badge warn">new host keys</span>}
        <span class="quiet">{place}</span>
      </div>
      <span class="host-system quiet">{system}</span>
      <span class="host-labels">
        {host.labels.map((label) => (
          <span key={label} class="badge">
            {label}
          </span>
        ))}
      </span>
      <span class="host-since quiet">
        {host.status.state !== "online" && host.status.since && <Ago at={host.status.since} />}
      </span>
      {may("can_manage_hosts") && (
        <div class="host-actions">
          {pending && host.same_as ? (
            // Which of two it is to be is decided on its page.
            <Link to="host" query={{ id: host.id }} class="button">
              Decide …
            </Link>
          ) : pending ? (
            <button
              type="button"
              class="primary"
              aria-label={`Accept ${host.friendly_name}`}
              onClick={() => void accept(host)}
            >
              Accept
            </button>
          ) : (
            <button
              type="button"
              class={host.status.state === "online" ? "primary" : ""}
              disabled={ways(host).length === 0}
              aria-label={`Terminal on ${host.friendly_name}`}
              onClick={() => openTerminal(host)}
            >
              <Icon name="terminal" /> Terminal
            </button>
          )}
        </div>
      )}
    </li>
  );
}

export function HostsPage() {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      const { target } = event;
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (target instanceof HTMLElement && target.closest("input, textarea, select, dialog"))
        return;
      event.preventDefault();
      field.current?.select();
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, []);

  const all = sortedHosts.value;
  const list = all.filter((host) => matches(host, search.value.trim(), chosen.value));
  const online = all.filter((host) => host.status.state === "online").length;
  return (
    <div class="page">
      <header class="page-head">
        <h1>Hosts</h1>
        <p class="quiet" role="status">
          {hosts.value && `${online} of ${all.length} online`}
          {list.length !== all.length && `, ${list.length} shown`}
        </p>
        <search class="search-field">
          <Icon name="search" />
          <input
            ref={field}
            type="search"
            aria-label="Search hosts"
            aria-keyshortcuts="/"
            placeholder="Search hosts"
            value={search.value}
            onInput={(event) => {
              search.value = event.currentTarget.value;
            }}
          />
          <span class="kbd" aria-hidden="true">
            /
          </span>
        </search>
        {may("can_manage_hosts") && (
          <button
            type="button"
            class="primary"
            onClick={() => {
              adding.value = true;
            }}
          >
            <Icon name="add" /> Add host
          </button>
        )}
      </header>
      <Labels list={all} />
      {hostsError.value && <Problem>The host list could not be loaded: {hostsError.value}</Problem>}
      {hosts.value === null && !hostsError.value && <Loading what="hosts" />}
      {hosts.value && all.length === 0 && (
        <div class="empty">
          <h2>No hosts yet</h2>
          <p>Add the first one: a line to run on it, and it appears here by itself.</p>
        </div>
      )}
      {all.length > 0 && list.length === 0 && (
        <div class="empty">
          <h2>No host matches</h2>
          <button
            type="button"
            onClick={() => {
              search.value = "";
              chosen.value = new Set();
            }}
          >
            Show all
          </button>
        </div>
      )}
      {list.length > 0 && (
        <ul class="hosts">
          {list.map((host) => (
            <Row key={host.id} host={host} />
          ))}
        </ul>
      )}
      {adding.value && (
        <AddHost
          onClose={() => {
            adding.value = false;
          }}
        />
      )}
    </div>
  );
}
