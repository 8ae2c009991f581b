/** Results, severities and scores at a glance. */
import type { Outcome, Severity } from "./wire";
import { OUTCOMES, percent, SEVERITIES, toneOf } from "./words";

export function ResultMark({ result }: { result: Outcome }) {
  const [words, tone] = OUTCOMES[result] ?? [result, "idle"];
  return (
    <span class={`presence ${tone}`} data-result={result}>
      <span class="dot" aria-hidden="true" />
      {words}
    </span>
  );
}

export function SeverityBadge({ severity }: { severity: Severity }) {
  const words = SEVERITIES[severity] ?? severity;
  return (
    <span class={`badge severity ${severity}`}>
      <span class="unseen">Severity: </span>
      {words}
    </span>
  );
}

/** A score as a number and a bar of its own colour. */
export function Score({ score }: { score: number | null }) {
  if (score === null) return <span class="quiet">no score</span>;
  return (
    <span class={`score ${toneOf(score)}`}>
      <svg class="score-bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
        <rect width={Math.max(0, Math.min(100, score))} height="10" />
      </svg>
      <strong>{percent(score)}</strong>
    </span>
  );
}
