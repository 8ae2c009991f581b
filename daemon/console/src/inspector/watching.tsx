/** One inspection: what it waits for, what it sees, and why it is over. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { useBusy } from "../ui/busy";
import { Crumbs } from "../ui/crumbs";
import { useKeys } from "../ui/keys";
import { Link } from "../ui/link";
import { Loading, Notice, Problem } from "../ui/notice";
import { type Column, Table } from "../ui/table";
import { Countdown, Exact } from "../ui/time";
import * as api from "./api";
import { Follow, HELD, type View } from "./follow";
import type { Frame, Inspection } from "./wire";
import { bytes, ending, KINDS, shown } from "./words";

const until = (at: string | null) => new Date(at ?? 0).getTime();

function State({ standing }: { standing: Inspection }) {
  if (standing.state === "waiting")
    return (
      <Notice>
        Waits until somebody else approves it, which may be for{" "}
        <Countdown until={until(standing.expires_at)} />. It begins by itself then.{" "}
        <Link to="approvals">Approvals</Link>
      </Notice>
    );
  if (standing.state === "over")
    return ["denied", "expired", "failed"].includes(standing.ended ?? "") ? (
      <Problem>{ending(standing)}</Problem>
    ) : (
      <Notice>{ending(standing)}</Notice>
    );
  return (
    <p>
      Looks for another <Countdown until={until(standing.until)} />
      {standing.contents ? ", with the first 512 bytes of each frame." : ", without contents."}
    </p>
  );
}

/** What is shown of a frame; its contents where they are granted. */
function columns(contents: boolean, asHex: boolean): [Column<Frame>, ...Column<Frame>[]] {
  const bare: [Column<Frame>, ...Column<Frame>[]] = [
    {
      head: "Direction",
      cell: ({ direction, number }) => (
        <span data-frame={number}>{direction === "in" ? "from the peer" : "to the peer"}</span>
      ),
    },
    { head: "Kind", cell: ({ kind }) => KINDS[kind] ?? kind },
    { head: "Size", cell: ({ size }) => bytes(size) },
    { head: "When", cell: ({ at }) => <Exact at={at} /> },
  ];
  if (contents)
    bare.push({
      head: "Contents",
      wrap: true,
      cell: (frame) => <code class="wrap">{shown(frame, asHex)}</code>,
    });
  return bare;
}

function Frames({ view, contents, asHex }: { view: View; contents: boolean; asHex: boolean }) {
  if (view.frames.length === 0) {
    const words = view.paused
      ? "Nothing came before the pause."
      : "Nothing has gone over this socket yet. It appears here by itself.";
    return (
      <div class="empty">
        <p>{view.standing?.state === "over" ? "Nothing was seen." : words}</p>
      </div>
    );
  }
  return (
    <Table
      caption="Frames, newest first"
      columns={columns(contents, asHex)}
      items={view.frames}
      id={({ number }) => number}
    />
  );
}

export function Watching({ id }: { id: string }) {
  const follow = useMemo(
    () => new Follow((after, waits, signal) => api.seen(id, after, waits, signal)),
    [id],
  );
  useEffect(() => {
    void follow.run();
    return () => follow.stop();
  }, [follow]);
  const { busy, error, run } = useBusy();
  const [asHex, setAsHex] = useState(false);
  const view = follow.view.value;
  const { standing, paused } = view;
  const pause = () => follow.pause(!paused);
  const over = standing?.state === "over" || view.gone;
  const contents = standing?.contents ?? false;
  useKeys({ " ": pause, x: () => contents && setAsHex(!asHex) });
  return (
    <>
      <Crumbs to="inspector" words="Open sockets" />
      <header class="page-head">
        <h1>Looking into a socket</h1>
        {contents && (
          <button type="button" aria-pressed={asHex} onClick={() => setAsHex(!asHex)}>
            Hex
          </button>
        )}
        <button type="button" aria-pressed={paused} onClick={pause}>
          {paused ? "Go on" : "Pause"}
        </button>
        {standing && !over && (
          <button
            type="button"
            class="danger"
            disabled={busy}
            onClick={() => run(() => api.end(id))}
          >
            {standing.state === "waiting" ? "Take the request back" : "End"}
          </button>
        )}
      </header>
      {view.gone && <Problem>There is no such inspection any more.</Problem>}
      {view.error && !view.gone && <Problem>{view.error} It is tried again.</Problem>}
      {error && <Problem>{error}</Problem>}
      {!standing && !view.error && <Loading what="what was seen" />}
      {standing && (
        <div data-inspection={standing.state}>
          <State standing={standing} />
        </div>
      )}
      <p class="quiet" role="status">
        {paused && `Paused: ${view.waiting} ${view.waiting === 1 ? "waits" : "wait"}. `}
        {view.lost > 0 && `${view.lost} frames went by too fast to be kept.`}
      </p>
      {standing && standing.state !== "waiting" && (
        <Frames view={view} contents={contents} asHex={asHex} />
      )}
      <p class="quiet keys-hint">
        <kbd>space</kbd> pause{contents && ", "}
        {contents && <kbd>x</kbd>}
        {contents && " text or hex"}. The newest {HELD} frames are shown.
      </p>
    </>
  );
}
