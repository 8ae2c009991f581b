/** The open sockets of the tenant, and how to begin to look into one. */
import { useState } from "preact/hooks";
import { hosts } from "../hosts";
import { go } from "../route";
import { Field } from "../ui/field";
import { FormDialog, text, trimmed } from "../ui/form";
import { useLoaded } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { type Column, Table } from "../ui/table";
import { Ago } from "../ui/time";
import * as api from "./api";
import type { OpenSocket } from "./wire";
import { purpose, whose } from "./words";

const hostName = (id: string) => hosts.value?.get(id)?.friendly_name;

function LookDialog({ socket, onClose }: { socket: OpenSocket; onClose: () => void }) {
  const [contents, setContents] = useState(false);
  const asks = contents && !socket.own;
  const begin = async (data: FormData) => {
    const why = trimmed(data, "why");
    const { id } = await api.look({
      socket_id: socket.socket_id,
      minutes: Number(text(data, "minutes")),
      contents,
      ...(why === "" ? {} : { why }),
    });
    onClose();
    go("inspector", { id });
  };
  return (
    <FormDialog
      title={`Look into a socket of ${whose(socket, hostName)}`}
      action={asks ? "Ask for approval" : "Look"}
      onClose={onClose}
      submit={begin}
    >
      <Field
        label="Minutes (1 to 15)"
        name="minutes"
        type="number"
        min={1}
        max={15}
        required
        defaultValue="5"
      />
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
      <Field
        label={asks ? "Why (whoever decides reads it)" : "Why (may be empty)"}
        name="why"
        maxLength={500}
        required={asks}
        autocomplete="off"
      />
      <p class="quiet">That you look, into whose socket and why, is written in the audit.</p>
    </FormDialog>
  );
}

const COLUMNS: readonly [Column<OpenSocket>, ...Column<OpenSocket>[]] = [
  {
    head: "Whose",
    wrap: true,
    cell: (socket) => (
      <>
        {whose(socket, hostName)} {socket.own && <span class="badge">you</span>}
      </>
    ),
  },
  { head: "Kind", cell: ({ path }) => <span title={path}>{purpose(path)}</span> },
  {
    head: "Host",
    wrap: true,
    cell: ({ host_id }) => (host_id ? (hostName(host_id) ?? host_id) : ""),
  },
  { head: "Open since", cell: ({ since }) => <Ago at={since} /> },
  { head: "From", cell: ({ source }) => source },
];

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
        <Table
          caption="Open sockets, newest first"
          columns={COLUMNS}
          items={items}
          id={({ socket_id }) => socket_id}
          actions={(socket) => [
            {
              words: "Look",
              label: `Look into the socket of ${whose(socket, hostName)}`,
              does: () => setAsking(socket),
            },
          ]}
        />
      )}
      {asking && <LookDialog socket={asking} onClose={() => setAsking(null)} />}
    </>
  );
}
