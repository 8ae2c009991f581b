/** What the daemon says of the person's own account. */

/** The account and how it is entered. */
export interface Mine {
  username: string;
  /** One-time codes are asked for. */
  totp: boolean;
  /** Recovery codes that were not used yet. */
  recovery_codes: number;
  passkeys: number;
  /** The tenant wants everybody to have a second factor. */
  second_factor_required: boolean;
  /** Nothing else is possible before one is set up. */
  must_enrol: boolean;
  /** The provider of single sign-on, where there is one, and whether it lets this person in. */
  sign_on: { label: string; linked: boolean } | null;
}

/** A secret for one-time codes, shown once. */
export interface TotpOffer {
  secret: string;
  uri: string;
  /** What an SVG path draws in a square of so many units; absent when it can't be drawn. */
  qr: { size: number; path: string } | null;
}

/** A place where the person is logged in. */
export interface MyLogin {
  id: string;
  current: boolean;
  source: string | null;
  browser: boolean;
  created_at: string;
  used_at: string;
}

export interface Passkey {
  id: string;
  name: string;
  /** The name of the daemon for which alone it works. */
  site: string;
  created_at: string;
  used_at: string | null;
}

/** How one may log in here. */
export interface Methods {
  password: boolean;
  passkeys: boolean;
  oidc: { label: string } | null;
}
