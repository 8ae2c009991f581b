/** Text to be copied: shown whole, with a button. */
import { useEffect, useState } from "preact/hooks";
import { Icon } from "./icon";

/** Puts text on the clipboard. False where the browser forbids it. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

export function CopyButton({ text, what }: { text: string; what: string }) {
  const [result, setResult] = useState<"" | "Copied" | "Select it and press Ctrl+C">("");
  useEffect(() => {
    if (result === "") return;
    const timer = setTimeout(() => setResult(""), 2_500);
    return () => clearTimeout(timer);
  }, [result]);
  const copy = async () =>
    setResult((await copyText(text)) ? "Copied" : "Select it and press Ctrl+C");
  return (
    <button type="button" class="small" onClick={() => void copy()} aria-label={`Copy ${what}`}>
      <Icon name={result === "Copied" ? "check" : "copy"} />
      <span aria-live="polite">{result || "Copy"}</span>
    </button>
  );
}

export function CopyBlock({ text, what }: { text: string; what: string }) {
  return (
    <div class="copy-block">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
      {/* biome-ignore lint/a11y/useSemanticElements: it groups no fields */}
      <pre tabIndex={0} role="group" aria-label={what}>
        {text}
      </pre>
      <CopyButton text={text} what={what} />
    </div>
  );
}
