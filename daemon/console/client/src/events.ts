/**
 * Topics, each event numbered: a connection that was lost goes on where it ended, and nothing is
 * told twice. The daemon says first where each topic begins, so that there is a number to go on from
 * before anything has happened. What is gone meanwhile is told as a gap.
 */
import { Connection, type Options } from "./connection.ts";
import { type Fields, fields, number, object, optional, type Parser, text } from "./parse.ts";

/** Topics that are followed: their names, and how to read what is said there. */
export type Topics = Readonly<Record<string, Parser<unknown>>>;

/** An event of one of the topics; `topic` tells of which kind `data` is. */
export type TopicEvent<T extends Topics> = {
  [Name in keyof T & string]: {
    topic: Name;
    /** Its number within the topic, from 1, without holes. */
    seq: number;
    /** Unique. */
    id: string;
    at: string;
    data: ReturnType<T[Name]>;
  };
}[keyof T & string];

/** Events that are gone: load again what they told of. */
export interface Gap<Name extends string = string> {
  topic: Name;
  /** The first and the last number. */
  lost: { from: number; to: number };
}

/** How far each topic was followed. */
export type Cursor<Name extends string = string> = Partial<Record<Name, number>>;

export interface EventOptions<T extends Topics> extends Options {
  topics: T;
  /** Goes on after these numbers, such as those that an earlier page kept. */
  cursor?: Cursor<keyof T & string>;
  onEvent: (event: TopicEvent<T>) => void;
  onGap?: (gap: Gap<keyof T & string>) => void;
  /** What came is not what its topic should say. It is passed over. */
  onUnreadable?: (topic: string, why: string, data: unknown) => void;
}

interface Envelope {
  seq: number;
  id: string;
  at: string;
  data: unknown;
}

const envelope = (from: Fields): Envelope => ({
  seq: number(from, "seq"),
  id: text(from, "id"),
  at: text(from, "at"),
  data: from.data,
});

export class Events<T extends Topics> {
  readonly #options: EventOptions<T>;
  readonly #cursor: Map<string, number>;
  readonly #connection: Connection;

  constructor(options: EventOptions<T>) {
    this.#options = options;
    this.#cursor = new Map(
      Object.entries(options.cursor ?? {}).filter(
        (entry): entry is [string, number] => typeof entry[1] === "number",
      ),
    );
    this.#connection = new Connection(options, {
      path: () => "api/v1/ws/events",
      query: () => this.#query(),
      greeting: (message) => this.#begin(message),
      message: (message) => this.#message(message),
    });
  }

  get state() {
    return this.#connection.state;
  }

  /** How far it came: give it to another page, or keep it for later. */
  get cursor(): Cursor<keyof T & string> {
    return Object.fromEntries(this.#cursor) as Cursor<keyof T & string>;
  }

  stop(): void {
    this.#connection.stop();
  }

  retryNow(): void {
    this.#connection.retryNow();
  }

  networkLost(): void {
    this.#connection.networkLost();
  }

  #query(): Record<string, string> {
    const topics = Object.keys(this.#options.topics).join(",");
    const cursor = [...this.#cursor].map(([topic, seq]) => `${topic}:${seq}`).join(",");
    const wanted = { topics, positions: "1" };
    return cursor === "" ? wanted : { ...wanted, cursor };
  }

  /** Takes from the daemon where each topic begins that has no number yet. */
  #begin(message: unknown): boolean {
    if (typeof message !== "object" || message === null || !("positions" in message)) return false;
    for (const topic of Object.keys(this.#options.topics)) {
      if (this.#cursor.has(topic)) continue;
      const at = this.#read(topic, message.positions, (value) => number(fields(value), topic));
      if (at !== undefined) this.#cursor.set(topic, at);
    }
    return true;
  }

  #message(message: unknown): void {
    const topic = this.#read("", message, (value) => text(fields(value), "topic"));
    const parse = topic === undefined ? undefined : this.#options.topics[topic];
    if (topic === undefined || !parse) return;
    const gap = this.#read(topic, message, (value) => optional(fields(value), "gap", object));
    if (gap) {
      const lost = this.#read(topic, gap, (value) => ({
        from: number(fields(value), "from"),
        to: number(fields(value), "to"),
      }));
      if (!lost) return;
      this.#cursor.set(topic, lost.to);
      this.#gap(topic, lost);
      return;
    }
    const event = this.#read(topic, message, (value) => envelope(fields(value)));
    if (event) this.#event(topic, event, parse);
  }

  #event(topic: string, event: Envelope, parse: Parser<unknown>): void {
    const last = this.#cursor.get(topic);
    if (last !== undefined && event.seq <= last) return;
    this.#cursor.set(topic, event.seq);
    if (last !== undefined && event.seq > last + 1)
      this.#gap(topic, { from: last + 1, to: event.seq - 1 });
    const data = this.#read(topic, event.data, parse);
    // The parser of the topic has made `data`, so the two belong together.
    if (data !== undefined) this.#options.onEvent({ topic, ...event, data } as TopicEvent<T>);
  }

  #gap(topic: string, lost: Gap["lost"]): void {
    this.#options.onGap?.({ topic, lost });
  }

  /** Undefined, and told, when it can't be read. */
  #read<R>(topic: string, value: unknown, parse: Parser<R>): R | undefined {
    try {
      return parse(value);
    } catch (problem) {
      const why = problem instanceof Error ? problem.message : String(problem);
      this.#options.onUnreadable?.(topic, why, value);
      return undefined;
    }
  }
}

/** Follows topics until it is stopped, through every loss of the connection. */
export const followEvents = <const T extends Topics>(options: EventOptions<T>): Events<T> =>
  new Events(options);
