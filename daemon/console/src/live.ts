/** Connections that live: what every one of this page's has in common. */
import { CLOSE, type Connection, type Options, type State } from "gangplank-client";
import { onWake } from "./wake";

/** What is done with a connection, whatever it tells. */
type Lasting = Pick<Connection, "stop" | "retryNow" | "networkLost">;

const held = new Set<Lasting>();

/** How long a login that was ended and is good after all is left alone. */
const AFTER_DOUBT = 2_000;

let loggedIn: () => Promise<boolean> = () => Promise.resolve(false);

/** Says how to find out whether the login still stands. */
export function whenInDoubt(ask: () => Promise<boolean>): void {
  loggedIn = ask;
}

/**
 * Opens a connection that is tried again when the machine wakes up, and given up with the login.
 * A refused upgrade hides its status from scripts, so that only a call can tell a lost login from a
 * lost network.
 */
export function hold<C extends Lasting>(
  open: (options: Options) => C,
  tell: (state: State) => void,
): C {
  const again = async () => {
    if (!(await loggedIn())) return;
    setTimeout(() => {
      if (held.has(connection)) connection.retryNow();
    }, AFTER_DOUBT);
  };
  const connection: C = open({
    onState(state) {
      tell(state);
      if (state.kind === "closed" && state.code === CLOSE.unauthorized) void again();
      // Another right may be left, or the same be given back.
      if (state.kind === "closed" && state.code === CLOSE.forbidden) void loggedIn();
    },
    onRefused: () => void loggedIn(),
  });
  held.add(connection);
  return connection;
}

/** Ends a connection. */
export function release(connection: Lasting): void {
  held.delete(connection);
  connection.stop();
}

onWake(() => {
  for (const connection of held) connection.retryNow();
});
addEventListener("offline", () => {
  for (const connection of held) connection.networkLost();
});
