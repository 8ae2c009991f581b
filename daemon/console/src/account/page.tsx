/** The person's own account: how it is entered, and from where it was. */
import { may } from "../session";
import { useListed, useLoaded } from "../ui/load";
import { Loading, Notice, Problem } from "../ui/notice";
import * as api from "./api";
import { LinkingSection } from "./linking";
import { LoginsSection } from "./logins";
import { PasskeysSection } from "./passkeys";
import { PasswordSection } from "./password";
import { PolicySection } from "./policy";
import { RetentionSection } from "./retention";
import { TotpSection } from "./totp";
import type { Mine } from "./wire";

function Everything({ mine, reload }: { mine: Mine; reload: () => void }) {
  const logins = useListed(() => api.myLogins());
  return (
    <>
      <TotpSection mine={mine} reload={reload} />
      <PasskeysSection mine={mine} reload={reload} />
      <PasswordSection onDone={logins.reload} />
      <LinkingSection mine={mine} reload={reload} />
      <LoginsSection list={logins} />
      {may("admin") && <PolicySection />}
      {may("admin") && <RetentionSection />}
    </>
  );
}

export function AccountPage() {
  const { value: mine, error, reload } = useLoaded(api.mine);
  return (
    <div class="page narrow">
      <header class="page-head">
        <h1>{mine ? `Account of ${mine.username}` : "Account"}</h1>
      </header>
      {error && <Problem>{error}</Problem>}
      {!mine && !error && <Loading what="your account" />}
      {mine?.must_enrol && (
        <Notice>
          Your organisation wants a second factor beside the password. Set one up here; everything
          else waits for it.
        </Notice>
      )}
      {mine?.must_enrol && (
        <>
          <TotpSection mine={mine} reload={reload} />
          <PasskeysSection mine={mine} reload={reload} />
        </>
      )}
      {mine && !mine.must_enrol && <Everything mine={mine} reload={reload} />}
    </div>
  );
}
