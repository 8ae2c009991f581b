/** Where the person is logged in. */
import type { Listed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Ago } from "../ui/time";
import { complain, say } from "../ui/toast";
import type { Page } from "../wire";
import * as api from "./api";
import type { MyLogin } from "./wire";

export function LoginsSection({ list }: { list: Listed<Page<MyLogin>> }) {
  const { items, error, reload } = list;
  const end = async (login: MyLogin) => {
    try {
      await api.endLogin(login.id);
      say("That login has ended.");
      reload();
    } catch (problem) {
      complain(problem);
    }
  };
  return (
    <section aria-labelledby="logins">
      <h2 id="logins">Where you are logged in</h2>
      {error && <Problem>{error}</Problem>}
      {!items && !error && <Loading what="your logins" />}
      {items && (
        <table class="stack">
          <thead>
            <tr>
              <th scope="col">From</th>
              <th scope="col">Since</th>
              <th scope="col">Last used</th>
              <th scope="col">Change</th>
            </tr>
          </thead>
          <tbody>
            {items.map((login) => (
              <tr key={login.id}>
                <th scope="row">
                  {login.source ?? "an unknown address"}
                  <span class="badge">{login.browser ? "browser" : "program"}</span>
                  {login.current && <span class="badge">this one</span>}
                </th>
                <td data-label="Since">
                  <Ago at={login.created_at} />
                </td>
                <td data-label="Last used">
                  <Ago at={login.used_at} />
                </td>
                <td class="actions">
                  {!login.current && (
                    <button
                      type="button"
                      class="small danger"
                      aria-label={`End the login from ${login.source ?? "an unknown address"}`}
                      onClick={() => void end(login)}
                    >
                      End
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
