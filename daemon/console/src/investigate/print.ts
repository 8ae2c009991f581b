/**
 * What a tool prints, as it comes. Frames of the channel bring it at once; whatever they leave out is
 * fetched from the job itself, which has all of it.
 */
import type { ToolOutput } from "gangplank-client";
import { call } from "../api";
import { bytesOf, NOTHING, type Output, Reader } from "../jobs/output";
import type { OutputPart } from "../jobs/wire";

type Fetch = (offset: number) => Promise<OutputPart>;

export class Print {
  readonly #reader = new Reader();
  readonly #tell: (output: Output) => void;
  readonly #fetch: Fetch;
  #fetching = false;
  #more = false;

  constructor(tell: (output: Output) => void, fetch: Fetch) {
    this.#tell = tell;
    this.#fetch = fetch;
  }

  get output(): Output {
    return this.#reader.output ?? NOTHING;
  }

  /** Fetches what there is beyond what is known; many reasons at once are one. */
  async pull(): Promise<void> {
    this.#more = true;
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      while (this.#more && !this.output.complete) {
        this.#more = false;
        const before = this.#reader.offset;
        const part = await this.#fetch(before);
        this.#tell(this.#reader.take(part));
        // An answer is bounded: what did not fit is fetched at once.
        if (this.#reader.offset !== before && this.#reader.offset < part.end) this.#more = true;
      }
    } finally {
      this.#fetching = false;
    }
  }

  /** A frame that goes on where the output ended is put in as it is. */
  frame(frame: ToolOutput): void {
    const { length } = bytesOf(frame.data);
    const next = frame.offset + length;
    const fits = frame.offset === this.#reader.offset && length > 0 && !this.#fetching;
    if (!fits || frame.state !== null) {
      if (next > this.#reader.offset || frame.state !== null) void this.pull().catch(() => {});
      return;
    }
    const pieces = [{ offset: frame.offset, gap: null, data: frame.data }];
    this.#tell(this.#reader.take({ pieces, next, end: next, complete: false }));
  }
}

export const printed = (jobId: string) => (offset: number) =>
  call<OutputPart>("GET", `jobs/${encodeURIComponent(jobId)}/output?offset=${offset}`);
