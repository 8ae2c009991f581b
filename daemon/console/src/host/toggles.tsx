/** What a PatchMon agent looks into: it takes that from its server. */
import type { Settings, Toggles } from "./wire";

const MODES: readonly [mode: NonNullable<Toggles["compliance"]>, words: string][] = [
  ["disabled", "never"],
  ["on-demand", "when it is ordered"],
  ["enabled", "by its own schedule, too"],
];

export function TogglesForm({
  toggles,
  busy,
  set,
}: {
  toggles: Toggles;
  busy: boolean;
  set: (body: Settings) => void;
}) {
  const { docker, compliance } = toggles;
  return (
    <div class="row">
      <label class="field">
        <span>Containers</span>
        <select
          disabled={busy}
          value={docker === undefined ? "" : String(docker)}
          onChange={(event) =>
            set({ integrations: { docker: event.currentTarget.value === "true" } })
          }
        >
          {docker === undefined && <option value="">as the agent has it</option>}
          <option value="true">reported</option>
          <option value="false">not reported</option>
        </select>
      </label>
      <label class="field">
        <span>Compliance scans</span>
        <select
          disabled={busy}
          value={compliance ?? ""}
          onChange={(event) => {
            const mode = MODES.find(([name]) => name === event.currentTarget.value)?.[0];
            if (mode) set({ integrations: { compliance: mode } });
          }}
        >
          {compliance === undefined && <option value="">as the agent has it</option>}
          {MODES.map(([mode, words]) => (
            <option key={mode} value={mode}>
              {words}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
