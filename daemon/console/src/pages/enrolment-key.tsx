/** What the key in an install line is good for. */
import { Field } from "../ui/field";
import type { NewEnrolment } from "../wire";
import { parseLabels } from "./host-fields";

export const ONE_HOST: NewEnrolment = { uses: 1, expires: "1h", approve: false };

const LIVES: readonly [string, string][] = [
  ["1h", "an hour"],
  ["1d", "a day"],
  ["7d", "a week"],
  ["30d", "30 days"],
];

/** Such as "It works once, within an hour." */
export function goodFor({ uses, expires, approve, networks = [] }: NewEnrolment): string {
  const times = uses === 1 ? "once" : `for ${uses} hosts`;
  const life = LIVES.find(([written]) => written === expires)?.[1] ?? expires;
  const where = networks.length > 0 ? `, from ${networks.join(", ")}` : "";
  const wait = approve ? " Hosts wait until somebody accepts them." : "";
  return `It works ${times}, within ${life}${where}.${wait}`;
}

function read(form: HTMLFormElement): NewEnrolment {
  const data = new FormData(form);
  const text = (name: string) => String(data.get(name) ?? "");
  return {
    uses: Number(text("uses")) || 1,
    expires: text("expires"),
    approve: data.has("approve"),
    labels: parseLabels(text("labels")),
    networks: parseLabels(text("networks")),
  };
}

export function KeyForm(props: { wanted: NewEnrolment; make: (wanted: NewEnrolment) => void }) {
  const { wanted, make } = props;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    make(read(event.currentTarget as HTMLFormElement));
  };
  return (
    <details>
      <summary>For several hosts, for longer, from some networks only</summary>
      <form onSubmit={submit}>
        <div class="row">
          <Field
            label="Hosts"
            name="uses"
            type="number"
            min={1}
            max={10_000}
            defaultValue={wanted.uses}
          />
          <label class="field">
            <span>Good for</span>
            <select name="expires">
              {LIVES.map(([written, said]) => (
                <option key={written} value={written} selected={written === wanted.expires}>
                  {said}
                </option>
              ))}
            </select>
          </label>
        </div>
        <Field
          label="Labels that they get"
          name="labels"
          placeholder="web, production"
          autocomplete="off"
          spellcheck={false}
        />
        <Field
          label="Networks from which they may come"
          name="networks"
          placeholder="any; such as 10.0.0.0/8, 2001:db8::/32"
          autocomplete="off"
          spellcheck={false}
        />
        <label class="choice">
          <input name="approve" type="checkbox" /> They wait until somebody accepts them
        </label>
        <button type="submit">Make another line</button>
      </form>
    </details>
  );
}
