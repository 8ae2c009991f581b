/** What a job prints, followed by offset while it runs. */
import type { OutputPart } from "./wire";

/** Characters that a page keeps; the daemon keeps no more bytes either. */
const KEPT = 1 << 20;

export interface Output {
  text: string;
  /** What came first was let go. */
  cut: boolean;
  complete: boolean;
}

export const NOTHING: Output = { text: "", cut: false, complete: false };

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
const SEQUENCES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\^_])/g;

/** Characters that control a terminal, or turn the direction of what stands around them. */
const UNFIT =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Output as it can be read: without a terminal's sequences, and without what disguises text. */
export const readable = (text: string): string =>
  text.replace(SEQUENCES, "").replaceAll("\r\n", "\n").replace(UNFIT, "\ufffd");

export const bytesOf = (base64: string): Uint8Array =>
  Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

/** Puts parts of output together. */
export class Reader {
  #decoder = new TextDecoder();
  /** Where to go on. */
  offset = 0;
  output: Output = NOTHING;

  take(part: OutputPart): Output {
    if (part.end < this.offset) {
      // Another attempt began, which prints from the start.
      this.#decoder = new TextDecoder();
      this.offset = 0;
      this.output = NOTHING;
      return this.output;
    }
    let { text, cut } = this.output;
    for (const { gap, data } of part.pieces) {
      if (gap) {
        text += this.#decoder.decode();
        text += `\n[${gap.to - gap.from} bytes are missing here]\n`;
      }
      text += this.#decoder.decode(bytesOf(data), { stream: true });
    }
    if (text.length > KEPT) {
      text = text.slice(-KEPT);
      cut = true;
    }
    this.offset = part.next;
    this.output = { text, cut, complete: part.complete };
    return this.output;
  }
}
