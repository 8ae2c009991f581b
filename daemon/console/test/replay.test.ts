import { Terminal } from "@xterm/xterm";
import { beforeEach, describe, expect, test } from "vitest";
import { Replay } from "../src/terminal/replay";

const ESC = "\x1b";
const QUESTIONS: readonly [string, string][] = [
  ["DA1", `${ESC}[c`],
  ["DA2", `${ESC}[>c`],
  ["DSR", `${ESC}[5n`],
  ["CPR", `${ESC}[6n`],
  ["DECXCPR", `${ESC}[?6n`],
  ["DECRQM", `${ESC}[?2004$p`],
  ["DECRQM of ANSI", `${ESC}[4$p`],
  ["DECRQSS", `${ESC}P$qm${ESC}\\`],
];

/** Answered by a terminal that is drawn. */
const COLOURS: readonly [string, string][] = [
  ["OSC 4", `${ESC}]4;1;?${ESC}\\`],
  ["OSC 10", `${ESC}]10;?${ESC}\\`],
  ["OSC 11 and 12", `${ESC}]11;?;?\x07`],
];

let terminal: Terminal;
let replay: Replay;
let answers: string[];
let colours: string[];

beforeEach(() => {
  terminal = new Terminal({ allowProposedApi: true, cols: 80, rows: 24 });
  // What a terminal that is drawn would do with colours: handlers made later are asked first.
  colours = [];
  for (const command of [4, 10, 11, 12]) {
    terminal.parser.registerOscHandler(command, (data) => {
      colours.push(data);
      return true;
    });
  }
  replay = new Replay(terminal.parser);
  answers = [];
  terminal.onData((data) => answers.push(data));
});

const written = (text: string, old: boolean) =>
  new Promise<void>((done) => terminal.write(text, old ? replay.piece(done) : done));

const shown = () => terminal.buffer.active.getLine(0)?.translateToString(true);

describe("old output", () => {
  test.each([...QUESTIONS, ...COLOURS])("with the question %s gets no answer", async (_, ask) => {
    await written(`a${ask}b`, true);
    expect(answers).toEqual([]);
    expect(colours).toEqual([]);
    expect(shown()).toBe("ab");
  });

  test.each(QUESTIONS)("is over when new output asks %s", async (_, ask) => {
    await written(ask, true);
    await written(ask, false);
    expect(answers).toHaveLength(1);
  });

  test("is told from new output that waits behind it", async () => {
    const both = [
      written(`${ESC}[c`, true),
      written(`${ESC}[5n`, true),
      written(`${ESC}[c`, false),
    ];
    await Promise.all(both);
    expect(answers).toEqual([`${ESC}[?1;2c`]);
  });

  test("still sets colours and modes", async () => {
    await written(`${ESC}]4;1;#ff0000${ESC}\\${ESC}[?2004h${ESC}[?1049hx`, true);
    expect(colours).toEqual(["1;#ff0000"]);
    expect(terminal.modes.bracketedPasteMode).toBe(true);
    expect(terminal.buffer.active.type).toBe("alternate");
  });
});
