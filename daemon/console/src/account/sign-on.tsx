/** Single sign-on, as the login page offers it. */
import { httpAddress } from "../address";
import { placeAfterLogin, route } from "../route";
import { useLoaded } from "../ui/load";
import * as api from "./api";

const PROBLEMS: Readonly<Record<string, string>> = {
  denied: "The provider did not let you in.",
  no_access: "You have no account here, and none of your groups leads to one.",
  name: "Your name at the provider is taken here, or can't be used. Ask an administrator.",
  refused: "That login doesn't count: it took too long, or was begun somewhere else. Try again.",
  unavailable: "The provider can't be reached right now.",
  failed: "The daemon could not finish the login. Try again.",
};

/** Why a person who went to the provider is back at the login page. */
export function signOnProblem(): string | null {
  const why = route.value.query.get("sso");
  return why === null ? null : (PROBLEMS[why] ?? PROBLEMS.failed ?? null);
}

/** The way to the provider, where there is one. */
export function SingleSignOn({ tenant }: { tenant: string }) {
  // Who can't be asked has none: people still log in by password then.
  const { value } = useLoaded(api.methods);
  if (!value?.oidc) return null;
  const next = new URLSearchParams({ next: placeAfterLogin(), ...(tenant ? { tenant } : {}) });
  const address = httpAddress(`api/v1/auth/oidc/start?${next.toString()}`);
  return (
    <a class="button wide-button" href={address}>
      Continue with {value.oidc.label}
    </a>
  );
}
