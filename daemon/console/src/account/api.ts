/** Calls about the person's own account. */
import { call } from "../api";
import type { Page } from "../wire";
import type { Methods, Mine, MyLogin, Passkey, TotpOffer } from "./wire";

const id = encodeURIComponent;

export const mine = () => call<Mine>("GET", "account");
export const offerTotp = (password?: string) =>
  call<TotpOffer>("POST", "account/totp", { body: password === undefined ? {} : { password } });
export const confirmTotp = (code: string) =>
  call<{ recovery_codes: string[] }>("POST", "account/totp/confirm", { body: { code } });
export const disableTotp = (password: string, code: string) =>
  call<void>("POST", "account/totp/disable", { body: { password, code } });
export const newRecoveryCodes = (code: string) =>
  call<{ recovery_codes: string[] }>("POST", "account/recovery-codes", { body: { code } });
export const changePassword = (current: string, next: string) =>
  call<void>("POST", "account/password", { body: { current, new: next } });
export const myLogins = () => call<Page<MyLogin>>("GET", "account/logins");
export const endLogin = (loginId: string) => call<void>("DELETE", `account/logins/${id(loginId)}`);
export const resetSecondFactor = (userId: string) =>
  call<void>("POST", `users/${id(userId)}/reset-second-factor`);

/** What proves once more whose account it is. */
export interface Proof {
  password: string;
  code?: string;
}

/** The provider's page, where linking goes on. */
export const linkSignOn = (body: Proof) =>
  call<{ url: string }>("POST", "account/sign-on", { body });
export const unlinkSignOn = (body: Proof) => call<void>("POST", "account/sign-on/unlink", { body });

export const signInPolicy = () =>
  call<{ second_factor_required: boolean }>("GET", "settings/sign-in");
export const setSignInPolicy = (second_factor_required: boolean) =>
  call<{ second_factor_required: boolean }>("PUT", "settings/sign-in", {
    body: { second_factor_required },
  });

export const passkeys = () => call<Page<Passkey>>("GET", "account/passkeys");
export const noPasskeys = async (): Promise<Page<Passkey>> => ({ items: [], next_cursor: null });
export const renamePasskey = (passkeyId: string, name: string) =>
  call<void>("PATCH", `account/passkeys/${id(passkeyId)}`, { body: { name } });
export const removePasskey = (passkeyId: string) =>
  call<void>("DELETE", `account/passkeys/${id(passkeyId)}`);

export const methods = () => call<Methods>("GET", "auth/methods", { anonymous: true });
