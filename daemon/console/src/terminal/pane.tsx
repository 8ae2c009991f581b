/** One terminal on the page: its screen, its state line and what it asks. */
import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { hosts } from "../hosts";
import { changeFontSize, dark, fontSize, readAloud } from "../settings";
import { copyText } from "../ui/copy";
import { Confirm } from "../ui/dialog";
import { complain } from "../ui/toast";
import { ConnectForm } from "./form";
import { type TerminalKey, terminalKey } from "./keys";
import { HostKeyQuestion, PromptQuestion } from "./questions";
import { SearchBar } from "./search";
import { StateLine } from "./status";
import type { TerminalTab } from "./tab";
import { step } from "./tabs";
import { TerminalView } from "./view";

interface Props {
  tab: TerminalTab;
  shown: boolean;
  /** Gives the keyboard to the tab strip. */
  onLeave: () => void;
  /** Takes the tab away and leaves its terminal running. */
  onDetach: () => void;
}

const look = () => ({ dark: dark(), fontSize: fontSize.value, readAloud: readAloud.value });

export function TerminalPane({ tab, shown, onLeave, onDetach }: Props) {
  const screen = useRef<HTMLDivElement>(null);
  const view = useRef<TerminalView | null>(null);
  const [searching, setSearching] = useState(false);
  const [found, setFound] = useState({ current: -1, count: 0 });
  const [link, setLink] = useState<URL | null>(null);
  const now = useRef({ shown, onLeave, onDetach });
  now.current = { shown, onLeave, onDetach };

  useEffect(() => {
    if (!screen.current) return;
    const act: Record<TerminalKey, () => void> = {
      copy: () => void copySelection(made),
      // The browser's own paste event follows.
      paste: () => {},
      search: () => setSearching(true),
      larger: () => changeFontSize(1),
      smaller: () => changeFontSize(-1),
      next: () => step(1),
      previous: () => step(-1),
      leave: () => now.current.onLeave(),
      detach: () => now.current.onDetach(),
    };
    const made = new TerminalView(
      screen.current,
      {
        input: (bytes) => tab.input(bytes),
        report: (bytes) => tab.report(bytes),
        resized: (size) => tab.resize(size),
        title: (title) => {
          tab.title.value = title;
        },
        link: setLink,
        key(event) {
          const key = terminalKey(event);
          if (key === undefined) return false;
          if (key !== "paste") event.preventDefault();
          if (event.type === "keydown") act[key]();
          return true;
        },
        searchResult: (current, count) => setFound({ current, count }),
      },
      look(),
      tab.sized.value,
    );
    view.current = made;
    if (now.current.shown) made.show();
    tab.show(made);
    return () => {
      view.current = null;
      made.dispose();
    };
  }, [tab]);

  useSignalEffect(() => {
    const chosen = look();
    view.current?.look(chosen);
  });

  const { kind } = tab.state.value;
  const asking = tab.asking.value;
  useEffect(() => {
    if (!shown) {
      view.current?.hide();
      return;
    }
    view.current?.show();
    // Who walks along the tabs by keyboard stays there.
    const walking = document.activeElement?.closest('[role="tablist"]');
    if (!asking && !walking) view.current?.focus();
  }, [shown, asking]);

  const endSearch = () => {
    setSearching(false);
    view.current?.endSearch();
    view.current?.focus();
  };
  const host = hosts.value?.get(tab.host.id);

  return (
    <div
      class="pane"
      role="tabpanel"
      id={`panel-${tab.key}`}
      aria-labelledby={`tab-${tab.key}`}
      hidden={!shown}
    >
      <StateLine tab={tab} onSearch={() => setSearching(true)} />
      <div class="pane-body">
        <div class="screen" ref={screen} data-state={kind} />
        {searching && (
          <SearchBar
            found={found}
            onFind={(text, backwards, incremental) =>
              view.current?.find(text, backwards, incremental)
            }
            onClose={endSearch}
          />
        )}
        {asking && host && <ConnectForm tab={tab} host={host} />}
      </div>
      {kind === "prompt" && shown && <PromptQuestion tab={tab} />}
      {kind === "host_key" && shown && <HostKeyQuestion tab={tab} />}
      {link && (
        <Confirm
          title="Open this link?"
          action="Open"
          danger={false}
          onClose={() => setLink(null)}
          onConfirm={() => {
            window.open(link, "_blank", "noopener,noreferrer");
            setLink(null);
          }}
        >
          <p>A program on the host shows a link to</p>
          <p class="wrap">
            <code>{link.href}</code>
          </p>
        </Confirm>
      )}
    </div>
  );
}

async function copySelection(view: TerminalView): Promise<void> {
  if (view.selection === "") return;
  if (!(await copyText(view.selection))) complain("The browser does not let this page copy.");
}
