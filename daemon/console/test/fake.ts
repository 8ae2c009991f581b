/** A clock held by hand and a socket without a network. */
import type { Clock } from "../src/backoff";

interface Timer {
  at: number;
  run: () => void;
}

export class FakeClock implements Clock {
  #now = 1_000_000;
  #timers: Timer[] = [];

  now(): number {
    return this.#now;
  }

  ticks(): number {
    return this.#now;
  }

  /** Lets the wall clock jump, as after a sleep: what fell due meanwhile runs late, and at once. */
  sleep(milliseconds: number): void {
    this.#now += milliseconds;
    this.pass(0);
  }

  after(milliseconds: number, run: () => void): () => void {
    const timer = { at: this.#now + milliseconds, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Lets time pass, running what falls due on the way in its order. */
  pass(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#now = Math.max(this.#now, due.at);
      due.run();
    }
    this.#now = end;
  }
}

export class FakeSocket {
  readyState: 0 | 1 | 2 | 3 = 0;
  bufferedAmount = 0;
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  readonly texts: Record<string, unknown>[] = [];
  readonly bytes: Uint8Array[] = [];
  closedWith: number | undefined | null = null;

  constructor(readonly address: string) {}

  send(data: unknown): void {
    if (typeof data === "string") this.texts.push(JSON.parse(data));
    else if (data instanceof Uint8Array) this.bytes.push(data);
  }

  close(code?: number): void {
    this.readyState = 3;
    this.closedWith = code;
  }

  /** The server accepts. */
  accept(): void {
    this.readyState = 1;
    this.onopen?.(new Event("open"));
  }

  /** The server says something. */
  say(message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) } as MessageEvent);
  }

  /** The server sends terminal output. */
  output(text: string): void {
    const data = new TextEncoder().encode(text).buffer;
    this.onmessage?.({ data } as MessageEvent);
  }

  /** The server, or the network, ends it. */
  end(code: number, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason } as CloseEvent);
  }

  get last(): Record<string, unknown> | undefined {
    return this.texts.at(-1);
  }

  of(type: string): Record<string, unknown>[] {
    return this.texts.filter((message) => message.type === type);
  }
}

/** Lets promises that are settled already run what waits for them. */
export const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
