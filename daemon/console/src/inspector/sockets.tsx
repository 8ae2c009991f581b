/** The open sockets of the tenant, and how to begin to look into one. */
import { useState } from "preact/hooks";
import { hosts } from "../hosts";
import { go } from "../route";
import { useBusy } from "../ui/busy";
import { Dialog } from "../ui/dialog";
import { useLoaded } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Ago } from "../ui/time";
import * as api from "./api";
import type { OpenSocket } from "./wire";
import { purpose, whose } from "./words";

const hostName = (id: string) => hosts.value?.get(id)?.friendly_name;

function LookDialog({ socket, onClose }: { socket: OpenSocket; onClose: () => void }) {
  const { busy, error, run } = useBusy();
  const [minutes, setMinutes] = useState(5);
  const [contents, setContents] = useState(false);
  const [why, setWhy] = useState("");
  const asks = contents && !socket.own;
  const begin = () =>
    run(async () => {
      const reason = why.trim();
      const { id } = await api.look({
        socket_id: socket.socket_id,
        minutes,
        contents,
        ...(reason === "" ? {} : { why: reason }),
      });
      onClose();
      go("inspector", { id });
    });
  return (
    <Dialog title={`Look into a socket of ${whose(socket, hostName)}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          begin();
        }}
      >
        <div class="dialog-body">
          {error && <Problem>{error}</Problem>}
          <label class="field">
            <span>Minutes (1 to 15)</span>
            <input
              name="minutes"
              type="number"
              min={1}
              max={15}
              required
              value={minutes}
              onInput={(event) => setMinutes(event.currentTarget.valueAsNumber)}
            />
          </label>
          <label class="choice">
            <input
              name="contents"
              type="checkbox"
              checked={contents}
              onChange={(event) => setContents(event.currentTarget.checked)}
            />
            {socket.own
              ? "Show the first bytes of each frame"
              : "Show the first bytes of each frame: somebody else has to approve that"}
          </label>
          <label class="field">
            <span>{asks ? "Why (whoever decides reads it)" : "Why (may be empty)"}</span>
            <input
              name="why"
              maxLength={500}
              required={asks}
              autocomplete="off"
              value={why}
              onInput={(event) => setWhy(event.currentTarget.value)}
            />
          </label>
          <p class="quiet">That you look, into whose socket and why, is written in the audit.</p>
        </div>
        <footer class="dialog-foot">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy}>
            {asks ? "Ask for approval" : "Look"}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function Row({ socket, onLook }: { socket: OpenSocket; onLook: () => void }) {
  const name = whose(socket, hostName);
  const host = socket.host_id ? (hostName(socket.host_id) ?? socket.host_id) : "";
  return (
    <tr data-socket={socket.socket_id}>
      <th scope="row" class="wrap">
        {name} {socket.own && <span class="badge">you</span>}
      </th>
      <td data-label="Kind" title={socket.path}>
        {purpose(socket.path)}
      </td>
      <td data-label="Host" class="wrap">
        {host}
      </td>
      <td data-label="Open since">
        <Ago at={socket.since} />
      </td>
      <td data-label="From">{socket.source}</td>
      <td class="actions">
        <button
          type="button"
          class="small"
          aria-label={`Look into the socket of ${name}`}
          onClick={onLook}
        >
          Look
        </button>
      </td>
    </tr>
  );
}

export function Sockets() {
  const { value, error, reload } = useLoaded(api.sockets);
  const [asking, setAsking] = useState<OpenSocket | null>(null);
  const items = value?.items;
  return (
    <>
      <header class="page-head">
        <h1>Inspector</h1>
        <button type="button" onClick={reload}>
          Load again
        </button>
      </header>
      <p class="quiet">
        Sockets that are open now. Looking shows which frames go which way, how large and when;
        contents of your own sockets, and of others' when somebody else approves.
      </p>
      {error && <Problem>{error}</Problem>}
      {!items && !error && <Loading what="open sockets" />}
      {items?.length === 0 && (
        <div class="empty">
          <p>No socket is open.</p>
        </div>
      )}
      {items && items.length > 0 && (
        <table class="stack">
          <caption class="unseen">Open sockets, newest first</caption>
          <thead>
            <tr>
              <th scope="col">Whose</th>
              <th scope="col">Kind</th>
              <th scope="col">Host</th>
              <th scope="col">Open since</th>
              <th scope="col">From</th>
              <th scope="col">
                <span class="unseen">Look</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {items.map((socket) => (
              <Row key={socket.socket_id} socket={socket} onLook={() => setAsking(socket)} />
            ))}
          </tbody>
        </table>
      )}
      {asking && <LookDialog socket={asking} onClose={() => setAsking(null)} />}
    </>
  );
}
