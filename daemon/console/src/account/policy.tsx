/** How people of the tenant log in, for its administrators. */
import { useLoaded } from "../ui/load";
import { Problem } from "../ui/notice";
import { complain, say } from "../ui/toast";
import * as api from "./api";

export function PolicySection() {
  const { value, error, reload } = useLoaded(api.signInPolicy);
  const set = async (required: boolean) => {
    try {
      await api.setSignInPolicy(required);
      say(required ? "Everybody needs a second factor now." : "A second factor is a choice now.");
    } catch (problem) {
      complain(problem);
    }
    reload();
  };
  return (
    <section aria-labelledby="policy">
      <h2 id="policy">Everybody's second factor</h2>
      {error && <Problem>{error}</Problem>}
      {value && (
        <label class="choice">
          <input
            type="checkbox"
            checked={value.second_factor_required}
            onChange={(event) => void set(event.currentTarget.checked)}
          />
          Everybody needs one: who has none sets it up at the next login, before anything else
        </label>
      )}
    </section>
  );
}
