/** Reading what came from the network into types; whatever does not fit is said, never guessed. */

export type Fields = Readonly<Record<string, unknown>>;

/** What came is not what it should be. */
export class Unreadable extends Error {
  constructor(what: string) {
    super(`${what} is missing, or is of another kind`);
    this.name = "Unreadable";
  }
}

/** Makes a value of something that came, or throws {@link Unreadable}. */
export type Parser<T> = (value: unknown) => T;

export function fields(value: unknown, what = "the message"): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Unreadable(what);
  return value as Fields;
}

export function text(from: Fields, name: string): string {
  const value = from[name];
  if (typeof value !== "string") throw new Unreadable(name);
  return value;
}

export function number(from: Fields, name: string): number {
  const value = from[name];
  if (typeof value !== "number") throw new Unreadable(name);
  return value;
}

/** One of a few words. */
export function word<W extends string>(from: Fields, name: string, words: readonly W[]): W {
  const found = words.find((known) => known === from[name]);
  if (found === undefined) throw new Unreadable(name);
  return found;
}

/** The same value, or null where it is absent or null. */
export function optional<T>(
  from: Fields,
  name: string,
  read: (from: Fields, name: string) => T,
): T | null {
  return from[name] === undefined || from[name] === null ? null : read(from, name);
}

export function object(from: Fields, name: string): Fields {
  return fields(from[name], name);
}

/** An object; an empty one where it is absent. */
export function objectOrNone(from: Fields, name: string): Fields {
  return optional(from, name, object) ?? {};
}

/** A list of texts; an empty one where it is absent. */
export function texts(from: Fields, name: string): string[] {
  const value = from[name] ?? [];
  if (!Array.isArray(value) || !value.every((one) => typeof one === "string"))
    throw new Unreadable(name);
  return value;
}
