/** Open sockets and what is seen of them. Contents are whoever's: text, never markup. */

/** An open socket. */
export interface OpenSocket {
  socket_id: string;
  /** Its route. */
  path: string;
  user: string | null;
  host_id: string | null;
  session_id: string | null;
  source: string;
  since: string;
  /** It is of the person who looks. */
  own: boolean;
}

export type Ending =
  | "time_over"
  | "ended"
  | "socket_closed"
  | "denied"
  | "expired"
  | "cancelled"
  | "not_allowed"
  | "failed";

/** How far an inspection is. */
export interface Inspection {
  id: string;
  socket_id: string;
  contents: boolean;
  state: "waiting" | "running" | "over";
  approval_id: string | null;
  /** Until when somebody may agree. */
  expires_at: string | null;
  /** Until when frames are kept. */
  until: string | null;
  ended: Ending | null;
  message: string | null;
}

export interface Frame {
  number: number;
  at: string;
  direction: "in" | "out";
  kind: "text" | "binary" | "ping" | "pong" | "close";
  /** Bytes of its whole payload. */
  size: number;
  /** The beginning of it, where contents are granted. */
  content?: string;
  /** The same in hex, of what is no text. */
  hex?: string;
}

export interface Seen extends Inspection {
  items: Frame[];
  /** Frames that were overwritten before they were read. */
  lost: number;
  over: boolean;
}

export interface Look {
  socket_id: string;
  minutes: number;
  contents: boolean;
  /** With it, the contents of somebody else's socket are asked for. */
  why?: string;
}
