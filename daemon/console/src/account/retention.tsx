/** How long the tenant keeps things, for its administrators. */
import * as people from "../people/api";
import { readKeeping } from "../people/keeping";
import { KeepingFields } from "../people/keeping-fields";
import { useBusy } from "../ui/busy";
import { useLoaded } from "../ui/load";
import { Problem } from "../ui/notice";
import { say } from "../ui/toast";

export function RetentionSection() {
  const { value, error, reload } = useLoaded(people.retention);
  const { busy, error: refused, run } = useBusy();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    run(async () => {
      await people.wishRetention(readKeeping(data));
      say("Things are kept for so long from now on.");
      reload();
    });
  };
  return (
    <section aria-labelledby="retention">
      <h2 id="retention">How long things are kept</h2>
      {(refused ?? error) && <Problem>{refused ?? error}</Problem>}
      {value && (
        <details>
          <summary>For less long than they may be (empty: as long as they may)</summary>
          <form onSubmit={submit}>
            <KeepingFields said={value.own} most={value.most} />
            <button type="submit" class="primary" disabled={busy}>
              Save
            </button>
          </form>
        </details>
      )}
    </section>
  );
}
