/** Follows what a Gangplank daemon tells, from a page. See README.md. */
export { backoff, LONGEST_WAIT, retryIn } from "./backoff.ts";
export { type ChannelOptions, followChannel } from "./channel.ts";
export { type Clock, realClock } from "./clock.ts";
export { CLOSE, closeWords } from "./close.ts";
export { Connection, type Options, type Socket, type State, type Use } from "./connection.ts";
export {
  type Cursor,
  type EventOptions,
  Events,
  followEvents,
  type Gap,
  type TopicEvent,
  type Topics,
} from "./events.ts";
export * from "./messages.ts";
export { type Fields, type Parser, Unreadable } from "./parse.ts";
