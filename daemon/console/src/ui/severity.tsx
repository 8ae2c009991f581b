/** How bad something is: the word, and a dot of its own shape and colour. */

const TONES: Readonly<Record<string, string>> = {
  critical: "bad",
  high: "bad",
  medium: "warn",
  low: "idle",
  info: "idle",
};

/** The words that are known, the worst first. */
export const SEVERITIES: readonly string[] = Object.keys(TONES);

/** A word that nobody knows is shown as it is. */
export function Severity({ of }: { of: string }) {
  return (
    <span class={`presence ${TONES[of.toLowerCase()] ?? "idle"}`}>
      <span class="dot" aria-hidden="true" />
      {of}
    </span>
  );
}
