/** Where the person is logged in. */
import type { Listed } from "../ui/load";
import { Loading, Problem } from "../ui/notice";
import { Table } from "../ui/table";
import { Ago } from "../ui/time";
import { say } from "../ui/toast";
import type { Page } from "../wire";
import * as api from "./api";
import type { MyLogin } from "./wire";

/** A token that nobody has used yet was used before all time. */
const used = (at: string, since: string) =>
  Date.parse(at) < Date.parse(since) ? "never" : <Ago at={at} />;

const from = ({ source }: MyLogin): string => source ?? "an unknown address";

export function LoginsSection({ list }: { list: Listed<Page<MyLogin>> }) {
  const { items, error, reload } = list;
  const end = async (login: MyLogin) => {
    await api.endLogin(login.id);
    say("That login has ended.");
    reload();
  };
  return (
    <section aria-labelledby="logins">
      <h2 id="logins">Where you are logged in</h2>
      {error && <Problem>{error}</Problem>}
      {!items && !error && <Loading what="your logins" />}
      {items && (
        <Table
          items={items}
          id={({ id }) => id}
          columns={[
            {
              head: "From",
              cell: (login) => (
                <>
                  {from(login)}
                  <span class="badge">{login.browser ? "browser" : "program"}</span>
                  {login.current && <span class="badge">this one</span>}
                </>
              ),
            },
            { head: "Since", cell: ({ created_at }) => <Ago at={created_at} /> },
            { head: "Last used", cell: ({ used_at, created_at }) => used(used_at, created_at) },
          ]}
          actions={(login) =>
            login.current
              ? []
              : [
                  {
                    words: "End",
                    label: `End the login from ${from(login)}`,
                    danger: true,
                    does: () => end(login),
                  },
                ]
          }
        />
      )}
    </section>
  );
}
