import { describe, expect, test } from "vitest";
import { Input, PIECE, WINDOW } from "../src/terminal/input";
import { preparePaste } from "../src/terminal/paste";

function drain(input: Input): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let piece = input.next(); piece; piece = input.next()) pieces.push(piece);
  return pieces;
}

const join = (pieces: Uint8Array[]) => Buffer.concat(pieces);

describe("input", () => {
  test("of a megabyte goes out whole, in pieces that the daemon takes", () => {
    const bytes = Uint8Array.from({ length: 1_000_003 }, (_, at) => (at * 31) & 0xff);
    const input = new Input();
    input.push(bytes);
    const pieces: Uint8Array[] = [];
    while (input.unsent > 0) {
      const sent = drain(input);
      expect(sent.length).toBeGreaterThan(0);
      pieces.push(...sent);
      input.confirm(bytes.length - input.unsent);
    }
    expect(pieces.every((piece) => piece.length > 0 && piece.length <= PIECE)).toBe(true);
    expect(join(pieces).equals(bytes)).toBe(true);
    expect(input.unsent).toBe(0);
  });

  test.each([0, 1, 3, 4, 7, 10])("goes on after %i confirmed bytes", (confirmed) => {
    const input = new Input(100);
    input.push(Uint8Array.of(0, 1, 2, 3));
    input.push(Uint8Array.of(4, 5, 6));
    input.push(Uint8Array.of(7, 8, 9));
    drain(input);
    input.resumeAt(100 + confirmed);
    expect([...join(drain(input))]).toEqual([...Array(10).keys()].slice(confirmed));
  });

  test("goes on after what another page typed, and what waits follows it", () => {
    const input = new Input();
    input.push(Uint8Array.of(1, 2, 3));
    drain(input);
    input.push(Uint8Array.of(4, 5));
    input.resumeAt(100);
    expect([...join(drain(input))]).toEqual([4, 5]);
    input.confirm(101);
    input.resumeAt(101);
    expect([...join(drain(input))]).toEqual([5]);
  });

  test("that was never sent is not dropped by a confirmation", () => {
    const input = new Input();
    input.push(Uint8Array.of(1, 2, 3));
    input.confirm(2);
    expect([...join(drain(input))]).toEqual([1, 2, 3]);
  });

  test("without confirmation goes no further than the window", () => {
    const input = new Input();
    input.push(new Uint8Array(3 * WINDOW));
    expect(join(drain(input)).length).toBe(WINDOW);
    expect(drain(input)).toEqual([]);
    input.confirm(PIECE);
    expect(join(drain(input)).length).toBe(PIECE);
    expect(input.unsent).toBe(2 * WINDOW - PIECE);
  });
});

describe("input that is not confirmed", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);

  test("is counted as a person counts keys", () => {
    const input = new Input();
    for (const key of ["l", "é", "\x1b[A", "日本"]) input.push(bytes(key));
    expect(input.unconfirmed).toEqual({ bytes: 12, keys: 5 });
    drain(input);
    expect(input.unconfirmed.keys).toBe(5);
    input.confirm(3);
    expect(input.unconfirmed).toEqual({ bytes: 9, keys: 3 });
  });

  test("and was typed too early takes its place when that is known", () => {
    const input = new Input();
    input.push(bytes("early"));
    input.beginAt(1_000);
    expect(input.unsent).toBe(5);
    expect(join(drain(input)).toString()).toBe("early");
    input.confirm(1_003);
    expect(input.unconfirmed.bytes).toBe(2);
  });
});

describe("pasted text", () => {
  test("gets carriage returns, and nothing else changes", () => {
    expect(preparePaste("a\r\nb\nc\td\x03é\u{1f6a2}", false)).toBe("a\rb\rc\td\x03é\u{1f6a2}");
  });

  test("is framed when the program asks for it", () => {
    expect(preparePaste("a\nb", true)).toBe("\x1b[200~a\rb\x1b[201~");
  });

  test("can't close its frame itself", () => {
    const hostile = "x\x1b[20\x1b[201~1~rm -rf ~\r";
    expect(preparePaste(hostile, true)).toBe("\x1b[200~xrm -rf ~\r\x1b[201~");
  });
});
