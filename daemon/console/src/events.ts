/**
 * The live event socket of the host list.
 *
 * After every opening the owner loads the list anew, and applies the events on top: the socket is
 * open first, so nothing between the two is missed, and an event that the list already contains
 * changes nothing, since each carries its whole object. A cursor brings the missed events of a
 * short cut; a gap makes the owner load again.
 */
import type { Clock } from "./backoff";
import { type EventSocket, type LiveOwner, LiveSocket } from "./live";
import type { Envelope, Gap, HostEvent } from "./wire";

export interface StreamOwner extends LiveOwner {
  /** The list must be loaded (again). */
  reload(): void;
  event(event: HostEvent): void;
}

export class EventStream extends LiveSocket {
  protected readonly subject = "the host list";
  #cursor: number | null = null;

  constructor(
    open: (query: string) => EventSocket,
    private readonly owner: StreamOwner,
    clock: Clock,
    random?: () => number,
  ) {
    super(open, owner, clock, random);
  }

  protected query(): string {
    return this.#cursor === null ? "topics=hosts" : `topics=hosts&cursor=hosts:${this.#cursor}`;
  }

  protected opened(): void {
    this.owner.reload();
  }

  protected forget(): void {
    this.#cursor = null;
  }

  protected message(message: Envelope | Gap): void {
    if (message.topic !== "hosts") return;
    if ("gap" in message) {
      this.#cursor = message.gap.to;
      this.owner.reload();
      return;
    }
    if (typeof message.seq !== "number" || !message.data) return;
    const hole = this.#cursor !== null && message.seq > this.#cursor + 1;
    this.#cursor = message.seq;
    this.owner.event(message.data);
    if (hole) this.owner.reload();
  }
}
