/** All terminals of this page. They live on while other pages of the console are shown. */
import { computed, effect, signal } from "@preact/signals";
import { go, route } from "../route";
import { ask, user, whenLoggedIn, whenLoggedOut } from "../session";
import { onWake } from "../wake";
import type { Attachable, Host } from "../wire";
import { forget, recall, remember } from "./remember";
import { type Beginning, TerminalTab } from "./tab";
import { withoutQuestion } from "./ways";

export const tabs = signal<readonly TerminalTab[]>([]);
const activeKey = signal(0);

export const active = computed(
  () => tabs.value.find((tab) => tab.key === activeKey.value) ?? tabs.value.at(-1) ?? null,
);

/** The terminals that live, as another page could show them. */
const living = computed(() => tabs.value.map(attachable).filter((terminal) => terminal !== null));

function attachable(tab: TerminalTab): Attachable | null {
  const id = tab.session.value;
  const asked = tab.asked.value;
  const state = tab.state.value;
  // Who loads a page again doesn't mean to take back what another page took over.
  if (id === null || asked === null || (state.kind === "lost" && state.taken)) return null;
  const { id: host_id, friendly_name: host_name } = tab.host;
  return { id, host_id, host_name, ...asked, ...tab.sized.value };
}

/**
 * Opens a terminal in a tab of its own and shows it: connected at once when nothing has to be
 * asked, or with the form when the person wants it or it can't be helped.
 */
export function openTerminal(host: Host, how: "at_once" | "ask" = "at_once"): void {
  const request = how === "at_once" ? withoutQuestion(host) : null;
  activate(add(host, request ? { kind: "connect", request } : { kind: "ask" }));
}

/** Shows a session that runs already, in the tab that has it or in a new one. */
export function attachTerminal(session: Attachable): void {
  const known = tabs.value.find((tab) => tab.session.value === session.id);
  if (known?.state.value.kind === "lost") known.reconnect();
  activate(known ?? attach(session));
}

const attach = (session: Attachable) =>
  add({ id: session.host_id, friendly_name: session.host_name }, { kind: "attach", session });

function add(host: Pick<Host, "id" | "friendly_name">, beginning: Beginning): TerminalTab {
  const tab = new TerminalTab(host, beginning, () => void ask());
  tabs.value = [...tabs.value, tab];
  return tab;
}

/** Shows a tab, and the terminal page with it. */
export function activate(tab: TerminalTab): void {
  activeKey.value = tab.key;
  const here = route.value.page === "terminal";
  if (!here || route.value.query.get("host") !== tab.host.id) {
    go("terminal", { host: tab.host.id }, here);
  }
}

/** Shows the tab before or after the active one. */
export function step(by: 1 | -1): void {
  const list = tabs.value;
  const at = active.value ? list.indexOf(active.value) : 0;
  const next = list[(at + by + list.length) % list.length];
  if (next) activate(next);
}

/** Ends a terminal and takes its tab away. */
export function closeTab(tab: TerminalTab): void {
  tab.end();
  remove(tab);
}

/** Takes a tab away and leaves its terminal running. */
export function detachTab(tab: TerminalTab): void {
  tab.leave();
  remove(tab);
}

function remove(tab: TerminalTab): void {
  const list = tabs.value;
  const at = list.indexOf(tab);
  tabs.value = list.filter((other) => other !== tab);
  const next = tabs.value[Math.min(at, tabs.value.length - 1)];
  if (activeKey.value === tab.key && next) activate(next);
  else if (!next && route.value.page === "terminal") go("hosts", {}, true);
}

whenLoggedIn(({ id }) => {
  const memory = recall(id);
  for (const session of memory?.terminals ?? []) {
    const tab = attach(session);
    if (session.id === memory?.active) activeKey.value = tab.key;
  }
});

whenLoggedOut((byPerson) => {
  for (const tab of tabs.value) tab.leave();
  tabs.value = [];
  if (byPerson) forget();
});

effect(() => {
  // A login that ran out takes the tabs away, and brings them back with the next.
  if (!user.value) return;
  const memory = { user: user.value.id, terminals: living.value };
  remember({ ...memory, active: active.value?.session.value ?? null });
});

onWake(() => {
  for (const tab of tabs.value) tab.check();
});

// A page that is kept for going back keeps its sockets too, and would hold on to its terminals.
addEventListener("pagehide", () => {
  for (const tab of tabs.value) tab.pause();
});

// Most terminals outlive the page. What was typed while they were away doesn't: ask before.
addEventListener("beforeunload", (event) => {
  const loses = (tab: TerminalTab) => tab.endsUnseen || tab.waiting.value !== null;
  if (tabs.value.some(loses)) event.preventDefault();
});

effect(() => {
  // The address names a host: its tab comes to the front, if there is one.
  const { page, query } = route.value;
  if (page !== "terminal") return;
  const host = query.get("host");
  if (active.peek()?.host.id === host) return;
  const tab = tabs.peek().find((known) => known.host.id === host);
  if (tab) activeKey.value = tab.key;
});
