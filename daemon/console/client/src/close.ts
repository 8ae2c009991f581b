/** Why a socket was closed. */

export const CLOSE = {
  stopping: 1001,
  full: 1013,
  /** The login ended, or was revoked. */
  unauthorized: 4001,
  /** The permission was withdrawn. */
  forbidden: 4003,
} as const;

/** Whether trying again is of no use until a person did something. */
export const isFinal = (code: number): boolean =>
  code === CLOSE.unauthorized || code === CLOSE.forbidden;

const WORDS: Readonly<Record<number, string>> = {
  1000: "The daemon ended the connection.",
  1001: "The daemon stops, or starts anew.",
  1006: "The connection was lost.",
  1008: "The daemon closed the connection by its policy.",
  1011: "The daemon had a fault.",
  1013: "The channel has no room for another subscriber.",
  4001: "The login has ended.",
  4002: "The connection was silent for too long.",
  4003: "The permission was withdrawn.",
  4008: "The connection was dead.",
};

/** The same for people. */
export const closeWords = (code: number): string =>
  WORDS[code] ?? `The connection ended (${code}).`;
