/** One channel by its own socket: what is said from now on, without numbers. */
import { Connection, type Options } from "./connection.ts";
import { CHANNELS, type ChannelName, type Message } from "./messages.ts";
import type { Parser } from "./parse.ts";

export interface ChannelOptions<C extends ChannelName> extends Options {
  channel: C;
  onMessage: (message: Message<C>) => void;
  /** What came is not what the channel should say. It is passed over. */
  onUnreadable?: (why: string, message: unknown) => void;
}

/**
 * Follows a channel until it is stopped. What is said while the connection is lost is missed: use
 * {@link followEvents} where that matters.
 */
export function followChannel<C extends ChannelName>(options: ChannelOptions<C>): Connection {
  const { path } = CHANNELS[options.channel];
  // Chosen by the same name as the type.
  const parse = CHANNELS[options.channel].parse as Parser<Message<C>>;
  return new Connection(options, {
    path: () => path,
    message(message) {
      let read: Message<C>;
      try {
        read = parse(message);
      } catch (problem) {
        options.onUnreadable?.(problem instanceof Error ? problem.message : "", message);
        return;
      }
      options.onMessage(read);
    },
  });
}
