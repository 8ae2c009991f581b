/** What a host can do beside terminals and reports, and what its agent is set to. */
import { may } from "../session";
import { useBusy } from "../ui/busy";
import { useLoaded } from "../ui/load";
import { Problem } from "../ui/notice";
import { Ago } from "../ui/time";
import { say } from "../ui/toast";
import type { Host } from "../wire";
import * as api from "./api";
import { useSaid } from "./said";
import { TogglesForm } from "./toggles";
import type { Integration, Settings } from "./wire";

/** Intervals that are offered, in minutes. */
const INTERVALS: readonly [minutes: number, words: string][] = [
  [60, "every hour"],
  [360, "every 6 hours"],
  [1_440, "every day"],
  [10_080, "every week"],
  [0, "only when asked"],
];

function mark(status: string): string {
  if (status === "ready") return "badge good";
  return status === "disabled" ? "badge" : "badge warn";
}

function One({ one }: { one: Integration }) {
  const parts = Object.entries(one.components).map(([name, state]) => `${name}: ${state}`);
  return (
    <>
      <dt>{one.name}</dt>
      <dd>
        <span class={mark(one.status)}>{one.status}</span>{" "}
        <span class="quiet">{[one.message, ...parts].filter(Boolean).join("; ")}</span>
        {one.choices.length > 0 && <div class="wrap">{one.choices.join(", ")}</div>}
      </dd>
    </>
  );
}

function SettingsForm({
  host,
  settings,
  changed,
}: {
  host: Host;
  settings: Settings;
  changed: () => void;
}) {
  const { busy, error, run } = useBusy();
  const set = (body: Settings) =>
    run(async () => {
      await api.set(host.id, body);
      changed();
      say("Kept. The agent hears it as soon as it is here.");
    });
  const interval = settings.update_interval;
  const patchmon = host.agent === "patchmon";
  // PatchMon's agents report once a day at least.
  const intervals = INTERVALS.filter(([minutes]) => !patchmon || (minutes > 0 && minutes <= 1_440));
  const own = interval !== undefined && !intervals.some(([minutes]) => minutes === interval);
  return (
    <>
      {error && <Problem>{error}</Problem>}
      <div class="row">
        <label class="field">
          <span>Reports itself</span>
          <select
            disabled={busy}
            value={interval ?? ""}
            onChange={(event) => set({ update_interval: Number(event.currentTarget.value) })}
          >
            {interval === undefined && <option value="">as the daemon says</option>}
            {own && <option value={interval}>every {interval} minutes</option>}
            {intervals.map(([minutes, words]) => (
              <option key={minutes} value={minutes}>
                {words}
              </option>
            ))}
          </select>
        </label>
        {!patchmon && (
          <label class="choice">
            <input
              type="checkbox"
              disabled={busy}
              checked={settings.docker_events === true}
              onChange={(event) => set({ docker_events: event.currentTarget.checked })}
            />
            Follow containers as they change
          </label>
        )}
      </div>
      {patchmon && <TogglesForm toggles={settings.integrations ?? {}} busy={busy} set={set} />}
    </>
  );
}

export function IntegrationsView({ host }: { host: Host }) {
  const { value, error } = useSaid(host.id, "refresh_integration_status", api.integrations);
  const settings = useLoaded(() => api.settings(host.id), host.id);
  const said = value?.said;
  return (
    <section>
      <h2>Abilities</h2>
      {(error ?? settings.error) && <Problem>{error ?? settings.error}</Problem>}
      {value && !said && (
        <p class="quiet">Not known yet. Choose Run, and then Abilities, to ask the host.</p>
      )}
      {said && (
        <>
          <p class="quiet">
            Told <Ago at={said.at} />.
          </p>
          <dl class="facts">
            {said.integrations.map((one) => (
              <One key={one.name} one={one} />
            ))}
          </dl>
        </>
      )}
      {settings.value && may("can_manage_hosts") && (
        <SettingsForm host={host} settings={settings.value} changed={settings.reload} />
      )}
    </section>
  );
}
