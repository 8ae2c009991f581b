/** What is asked of which hosts, and for which case. */
import { useEffect, useRef, useState } from "preact/hooks";
import * as claims from "../host/api";
import { hosts } from "../hosts";
import { readArguments } from "../jobs/run";
import { route } from "../route";
import { useBusy } from "../ui/busy";
import { Field } from "../ui/field";
import { Problem } from "../ui/notice";
import { HostsField } from "./hosts-field";
import { current, investigate } from "./run";

/** Tools that the chosen hosts have said they may run; what they have not said is unknown. */
function useTools(picked: ReadonlySet<string>): string[] {
  const [known, setKnown] = useState<ReadonlyMap<string, readonly string[]>>(new Map());
  const asked = useRef(new Set<string>());
  useEffect(() => {
    for (const id of picked) {
      if (asked.current.has(id)) continue;
      asked.current.add(id);
      claims.integrations(id).then(
        (said) => {
          const tools = said?.integrations.find(({ name }) => name === "tools")?.choices ?? [];
          setKnown((before) => new Map(before).set(id, tools));
        },
        () => {},
      );
    }
  }, [picked]);
  return [...new Set([...picked].flatMap((id) => known.get(id) ?? []))].sort();
}

export function InvestigateForm() {
  const { busy, error, run } = useBusy();
  const [picked, setPicked] = useState<ReadonlySet<string>>(
    new Set(current.value?.trails.map(({ host }) => host.id)),
  );
  const tools = useTools(picked);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(data.get(name) ?? "").trim();
    run(async () => {
      const chosen = [...picked].flatMap((id) => hosts.value?.get(id) ?? []);
      if (chosen.length === 0) throw new Error("Choose at least one host.");
      const request = { caseId: text("case"), tool: text("tool") };
      await investigate({ ...request, args: readArguments(text("args")) }, chosen);
    });
  };
  const caseId = current.value?.caseId ?? route.value.query.get("case") ?? "";
  return (
    <section>
      <form onSubmit={submit} class="ask">
        {error && <Problem>{error}</Problem>}
        <div class="row">
          <Field
            label="Case"
            grow
            name="case"
            required
            maxLength={64}
            defaultValue={caseId}
            placeholder="case-7"
            autocomplete="off"
            spellcheck={false}
          />
          <Field
            label="Tool"
            grow
            name="tool"
            required
            list="tools"
            defaultValue={current.value?.tool ?? ""}
            autocomplete="off"
            spellcheck={false}
          />
          <datalist id="tools">
            {tools.map((tool) => (
              <option key={tool} value={tool} />
            ))}
          </datalist>
        </div>
        {tools.length > 0 && <p class="quiet wrap">The chosen hosts allow: {tools.join(", ")}.</p>}
        <label class="field">
          <span>Arguments, as name=value, one a line</span>
          <textarea name="args" rows={2} spellcheck={false} />
        </label>
        <HostsField picked={picked} onChange={setPicked} />
        <div class="row end">
          <button type="submit" class="primary" disabled={busy || picked.size === 0}>
            Run on {picked.size === 1 ? "one host" : `${picked.size} hosts`}
          </button>
        </div>
      </form>
    </section>
  );
}
