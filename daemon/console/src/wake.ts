/** Moments after which a socket that looks open may be dead, or a wait has lost its reason. */

/** A look at the wall clock this often tells a machine that slept. */
const LOOK = 1_000;
const SLEPT = 5_000;

const listeners = new Set<() => void>();

/**
 * Runs when the network is back, the page is looked at again, or the machine wakes up. The wall
 * clock is looked at too, because a machine that slept under an open lid tells nothing.
 */
export function onWake(run: () => void): void {
  listeners.add(run);
}

function wake(): void {
  for (const run of listeners) run();
}

addEventListener("online", wake);
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) wake();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") wake();
});

let last = Date.now();
setInterval(() => {
  const slept = Date.now() - last > LOOK + SLEPT;
  last = Date.now();
  if (slept) wake();
}, LOOK);
