/** "My terminals": what the person has running anywhere, one click away on every page. */
import { useEffect, useState } from "preact/hooks";
import { may, user } from "../session";
import { Confirm, Dialog } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { Loading, Problem } from "../ui/notice";
import { Ago, Countdown } from "../ui/time";
import type { TerminalSession } from "../wire";
import { endMine, mine, mineError, refreshMine } from "./mine";
import { attachTerminal, tabs } from "./tabs";
import { wayWords } from "./words";

/** How often the open panel is loaded again. */
const EVERY = 10_000;

function Place({ session, here }: { session: TerminalSession; here: boolean }) {
  if (here) return <span class="badge">on this page</span>;
  if (session.state === "open") return <span class="badge">on another page</span>;
  return (
    <span class="badge warn">
      detached
      {session.expires_at && (
        <>
          , ends in <Countdown until={Date.parse(session.expires_at)} />
        </>
      )}
    </span>
  );
}

interface RowProps {
  session: TerminalSession;
  onAttach: () => void;
  onEnd: () => void;
}

function Row({ session, onAttach, onEnd }: RowProps) {
  const { host_name: name, username, cols, rows, last_output_at: output } = session;
  const here = tabs.value.some((tab) => tab.session.value === session.id);
  const elsewhere = !here && session.state === "open";
  return (
    <li>
      <p class="mine-name">
        <strong>{name}</strong> <Place session={session} here={here} />
      </p>
      <p class="quiet">
        {wayWords(session.mode)}
        {username && ` as ${username}`}
        {cols && ` · ${cols} × ${rows}`} · opened <Ago at={session.started_at} />
        {output && (
          <>
            {" "}
            · last output <Ago at={output} />
          </>
        )}
      </p>
      <span class="mine-actions">
        <button
          type="button"
          class="small primary"
          title={elsewhere ? "The other page loses it" : undefined}
          aria-label={`${here ? "Show" : "Attach"} the terminal on ${name}`}
          onClick={onAttach}
        >
          {here ? "Show" : "Attach"}
        </button>
        <button
          type="button"
          class="small danger"
          aria-label={`End the terminal on ${name}`}
          onClick={onEnd}
        >
          End
        </button>
      </span>
    </li>
  );
}

function Panel({ onClose }: { onClose: () => void }) {
  const [ending, setEnding] = useState<TerminalSession | null>(null);
  useEffect(() => {
    void refreshMine();
    const timer = setInterval(() => void refreshMine(), EVERY);
    return () => clearInterval(timer);
  }, []);
  const list = mine.value;
  return (
    <Dialog title="My terminals" onClose={onClose} wide>
      <div class="dialog-body">
        {mineError.value && <Problem>{mineError.value}</Problem>}
        {!list && !mineError.value && <Loading what="your terminals" />}
        {list?.length === 0 && (
          <p class="quiet">
            Nothing runs. A terminal that you detach, or whose page is closed, is found here for a
            while, from any browser.
          </p>
        )}
        <ul class="mine-list">
          {list?.map((session) => (
            <Row
              key={session.id}
              session={session}
              onEnd={() => setEnding(session)}
              onAttach={() => {
                onClose();
                attachTerminal(session);
              }}
            />
          ))}
        </ul>
      </div>
      {ending && (
        <Confirm
          title="End this terminal?"
          action="End the session"
          onClose={() => setEnding(null)}
          onConfirm={async () => {
            await endMine(ending.id);
            setEnding(null);
          }}
        >
          <p>
            The session on <strong>{ending.host_name}</strong> ends, with everything that runs in
            it.
          </p>
        </Confirm>
      )}
    </Dialog>
  );
}

export function MyTerminals() {
  const [open, setOpen] = useState(false);
  if (!user.value || !may("can_manage_hosts")) return null;
  const count = mine.value?.length ?? 0;
  return (
    <>
      <button
        type="button"
        class="icon mine"
        aria-haspopup="dialog"
        aria-label={`My terminals: ${count} running`}
        title="My terminals"
        onClick={() => setOpen(true)}
      >
        <Icon name="terminal" />
        <span class="mine-words">My terminals</span>
        {count > 0 && <span class="count">{count}</span>}
      </button>
      {open && <Panel onClose={() => setOpen(false)} />}
    </>
  );
}
