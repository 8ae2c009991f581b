/** The terminals of this page, in tabs. Stays in the document while other pages are shown. */

import { signal } from "@preact/signals";
import { useCallback, useEffect, useRef } from "preact/hooks";
import { hosts } from "../hosts";
import { route } from "../route";
import { CloseQuestion } from "../terminal/close-question";
import { TerminalPane } from "../terminal/pane";
import type { TerminalTab } from "../terminal/tab";
import { activate, active, closeTab, detachTab, openTerminal, step, tabs } from "../terminal/tabs";
import { Icon } from "../ui/icon";
import { Link } from "../ui/link";
import { Loading } from "../ui/notice";
import { say } from "../ui/toast";

/** The tab whose closing waits for a yes: something runs in it. */
const closing = signal<TerminalTab | null>(null);

function close(tab: TerminalTab): void {
  const state = tab.state.value;
  const elsewhere = state.kind === "lost" && state.taken;
  if (tab.session.value !== null && !elsewhere) closing.value = tab;
  else closeTab(tab);
}

function detach(tab: TerminalTab): void {
  if (!tab.canDetach) return;
  detachTab(tab);
  say(`The terminal on ${tab.host.friendly_name} runs on: see My terminals.`);
}

function decide(what: (tab: TerminalTab) => void): void {
  const tab = closing.value;
  closing.value = null;
  if (tab) what(tab);
}

const BUSY: readonly string[] = ["connecting", "waiting", "suspended", "prompt", "host_key"];

function tone(kind: string): string {
  if (kind === "connected") return "good";
  if (BUSY.includes(kind)) return "warn";
  return kind === "failed" || kind === "lost" ? "bad" : "idle";
}

export default function TerminalPage() {
  const strip = useRef<HTMLDivElement>(null);
  const shown = route.value.page === "terminal";
  const wanted = route.value.query.get("host") ?? "";
  const host = hosts.value?.get(wanted);
  const current = active.value;

  // An address that names a host opens its terminal: a bookmark, or a page loaded again.
  const known = tabs.value.some((tab) => tab.host.id === wanted);
  useEffect(() => {
    if (shown && host && !known) openTerminal(host);
  }, [shown, host, known]);

  const leave = useCallback(() => {
    strip.current?.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
  }, []);
  const keys = (event: KeyboardEvent) => {
    if (event.key === "ArrowRight") step(1);
    else if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "Delete" && current) (event.shiftKey ? detach : close)(current);
    else return;
    event.preventDefault();
    // The newly selected tab is there after the next rendering.
    requestAnimationFrame(leave);
  };

  return (
    <div class="terminals" hidden={!shown}>
      <h1 class="unseen">Terminals</h1>
      <div class="tab-strip">
        <div role="tablist" aria-label="Terminals" ref={strip} onKeyDown={keys} class="tab-list">
          {tabs.value.map((tab) => (
            <button
              key={tab.key}
              type="button"
              role="tab"
              id={`tab-${tab.key}`}
              class={`tab ${tone(tab.state.value.kind)}`}
              aria-selected={tab === current}
              aria-controls={`panel-${tab.key}`}
              tabIndex={tab === current ? 0 : -1}
              title={tab.title.value || undefined}
              onAuxClick={(event) => {
                if (event.button === 1) close(tab);
              }}
              onClick={() => {
                activate(tab);
                requestAnimationFrame(() => tab.focus());
              }}
            >
              <span class="dot" aria-hidden="true" />
              <span class="tab-text">{tab.host.friendly_name}</span>
            </button>
          ))}
        </div>
        {current && hosts.value?.has(current.host.id) && (
          <button
            type="button"
            class="icon"
            aria-label={`Another terminal on ${current.host.friendly_name}`}
            title={`Another terminal on ${current.host.friendly_name}`}
            onClick={() => {
              const again = hosts.value?.get(current.host.id);
              if (again) openTerminal(again);
            }}
          >
            <Icon name="add" />
          </button>
        )}
        <span class="tab-end" />
        {current?.canDetach && (
          <button
            type="button"
            class="icon"
            aria-label={`Detach the terminal on ${current.host.friendly_name}`}
            title="Detach: close the tab, and leave the terminal running (Ctrl+Shift+D)"
            onClick={() => detach(current)}
          >
            <Icon name="detach" />
          </button>
        )}
        {current && (
          <button
            type="button"
            class="icon"
            aria-label={`Close the terminal on ${current.host.friendly_name}`}
            title={`Close the terminal on ${current.host.friendly_name}`}
            onClick={() => close(current)}
          >
            <Icon name="close" />
          </button>
        )}
      </div>
      {tabs.value.map((tab) => (
        <TerminalPane
          key={tab.key}
          tab={tab}
          shown={shown && tab === current}
          onLeave={leave}
          onDetach={() => detach(tab)}
        />
      ))}
      {tabs.value.length === 0 && (
        <div class="empty">
          {hosts.value === null ? (
            <Loading what="this host" />
          ) : (
            <>
              <h2>No terminal is open</h2>
              <p>
                {wanted !== "" && !host
                  ? "This host does not exist."
                  : "Choose a host to open one."}
              </p>
              <Link to="hosts" class="button primary">
                To the hosts
              </Link>
            </>
          )}
        </div>
      )}
      {closing.value && (
        <CloseQuestion
          host={closing.value.host.friendly_name}
          onClose={() => {
            closing.value = null;
          }}
          onDetach={closing.value.canDetach ? () => decide(detach) : undefined}
          onEnd={() => decide(closeTab)}
        />
      )}
    </div>
  );
}
