/** A console as one loaded page has it: its modules anew, with a daemon made of answers. */
import { vi } from "vitest";
import type { TerminalTab } from "../src/terminal/tab";
import type { TerminalView } from "../src/terminal/view";
import type { Host, TerminalSession, User } from "../src/wire";
import { FakeSocket, settle } from "./fake";

export const ADA: User = {
  id: "ada",
  username: "ada",
  tenant: { id: "t", name: "t" },
  roles: ["admin"],
  permissions: ["can_manage_hosts"],
};

export const host = (id: string) =>
  ({
    id,
    friendly_name: `${id}.example`,
    terminal: ["pty"],
    pty_users: ["root"],
    run_as: "root",
    status: { state: "online" },
  }) as unknown as Host;

export const running = (id: string, more: Partial<TerminalSession> = {}): TerminalSession => ({
  id,
  host_id: "web",
  host_name: "web.example",
  user: "ada",
  mine: true,
  mode: "pty",
  username: "root",
  state: "detached",
  started_at: "2026-01-01T00:00:00Z",
  ended_at: null,
  end_reason: null,
  host_key: "none",
  cols: 100,
  rows: 30,
  last_output_at: null,
  expires_at: "2026-01-01T00:05:00Z",
  ...more,
});

/** What the daemon says to each call; a number is a refusal with that status. */
export class Daemon {
  who: User | number = ADA;
  sessions: TerminalSession[] = [];
  readonly calls: string[] = [];
  readonly sockets: FakeSocket[] = [];

  constructor() {
    const daemon = this;
    vi.stubGlobal("fetch", async (path: string, { method }: RequestInit) => {
      const answer = daemon.#answer(`${method} ${path.replace(/^.*\/api\/v1\//, "")}`);
      const status = typeof answer === "number" ? answer : 200;
      return new Response(status === 200 ? JSON.stringify(answer) : "{}", { status });
    });
    vi.stubGlobal(
      "WebSocket",
      class extends FakeSocket {
        constructor(address: string) {
          super(address);
          if (address.includes("ssh-terminal")) daemon.sockets.push(this);
        }
      },
    );
  }

  #answer(call: string): unknown {
    this.calls.push(call);
    if (call === "GET auth/me") return typeof this.who === "number" ? this.who : { user: this.who };
    if (call === "POST auth/login") return { user: this.who };
    if (call === "POST auth/ssh-ticket") return { ticket: "t", expiresIn: 30 };
    if (call.startsWith("GET sessions")) return { items: this.sessions, next_cursor: null };
    return {};
  }

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("no terminal socket was opened");
    return socket;
  }
}

/** Loads the page at an address; the terminals of an earlier one are left as a browser leaves them. */
export async function load(path = "/hosts") {
  vi.resetModules();
  history.replaceState(null, "", path);
  const session = await import("../src/session");
  const tabs = await import("../src/terminal/tabs");
  const mine = await import("../src/terminal/mine");
  await session.ask();
  await settle();
  return { ...session, ...tabs, ...mine };
}

/** Gives a tab its screen, and lets the daemon accept its socket. */
export async function appear(tab: TerminalTab | undefined, daemon: Daemon): Promise<FakeSocket> {
  const view = { size: { cols: 80, rows: 24 }, focus() {}, freshSession() {}, note() {} };
  tab?.show(view as unknown as TerminalView);
  await settle();
  daemon.socket.accept();
  return daemon.socket;
}

export const connected = (session_id: string, more: object = {}) => ({
  type: "connected",
  session_id,
  offset: 0,
  input_offset: 0,
  resumed: false,
  host_key: "none",
  ...more,
});
