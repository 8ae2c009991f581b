/**
 * Old output, shown again. Programs asked questions in it, about the cursor, the colours, the
 * terminal itself; those were answered when it was new. A second answer would be typed into
 * whatever runs now, so while old output is parsed nothing is answered.
 */
import type { IParser } from "@xterm/xterm";

const CONTROL_SEQUENCES = [
  { final: "c" }, // DA1
  { prefix: ">", final: "c" }, // DA2
  { prefix: "=", final: "c" }, // DA3
  { final: "n" }, // DSR, CPR
  { prefix: "?", final: "n" }, // DSR with DEC's own questions
  { intermediates: "$", final: "p" }, // DECRQM
  { prefix: "?", intermediates: "$", final: "p" },
  { prefix: ">", final: "q" }, // XTVERSION
];
const DECRQSS = { intermediates: "$", final: "q" };

/** The palette, and the colours of text, background and cursor: set and asked for by one command. */
const COLOURS = [4, 10, 11, 12];

export class Replay {
  /** Pieces of old output that are still to be parsed. */
  #pieces = 0;

  /** @param parser that of the terminal; it answers no window reports, which are off. */
  constructor(parser: IParser) {
    const old = () => this.active;
    for (const sequence of CONTROL_SEQUENCES) parser.registerCsiHandler(sequence, old);
    parser.registerDcsHandler(DECRQSS, old);
    for (const colour of COLOURS) {
      parser.registerOscHandler(colour, (data) => this.active && data.split(";").includes("?"));
    }
  }

  /** Whether what is parsed now is old. */
  get active(): boolean {
    return this.#pieces > 0;
  }

  /** A piece goes to the parser; what is returned runs when it has been parsed. */
  piece(done: () => void): () => void {
    this.#pieces += 1;
    return () => {
      this.#pieces -= 1;
      done();
    };
  }
}
