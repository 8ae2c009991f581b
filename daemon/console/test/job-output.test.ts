import { describe, expect, test } from "vitest";
import { Reader, readable } from "../src/jobs/output";
import { bytes } from "../src/jobs/report-view";
import { readArguments } from "../src/jobs/run";
import type { OutputPart } from "../src/jobs/wire";

const base64 = (data: Uint8Array) => btoa(String.fromCharCode(...data));
const utf8 = (text: string) => new TextEncoder().encode(text);

function part(offset: number, data: Uint8Array, more: Partial<OutputPart> = {}): OutputPart {
  const next = offset + data.length;
  const pieces = [{ offset, gap: null, data: base64(data) }];
  return { pieces, next, end: next, complete: false, ...more };
}

describe("the output of a job", () => {
  test("goes on where it was, also in the middle of a character", () => {
    const reader = new Reader();
    const whole = utf8("naïve 日本");
    reader.take(part(0, whole.slice(0, 3)));
    expect(reader.offset).toBe(3);
    reader.take(part(3, whole.slice(3), { complete: true }));
    expect(reader.output).toEqual({ text: "naïve 日本", cut: false, complete: true });
  });

  test("says what is missing", () => {
    const reader = new Reader();
    reader.take(part(0, utf8("begin")));
    const pieces = [{ offset: 105, gap: { from: 5, to: 105 }, data: base64(utf8("end")) }];
    reader.take({ pieces, next: 108, end: 108, complete: true });
    expect(reader.output.text).toBe("begin\n[100 bytes are missing here]\nend");
  });

  test("begins anew when another attempt does", () => {
    const reader = new Reader();
    reader.take(part(0, utf8("the first attempt")));
    reader.take({ pieces: [], next: 17, end: 3, complete: false });
    expect(reader.offset).toBe(0);
    reader.take(part(0, utf8("the")));
    expect(reader.output.text).toBe("the");
  });

  test("keeps no more than so much", () => {
    const reader = new Reader();
    const data = new Uint8Array(8 << 10).fill(97);
    for (let n = 0; n < 200; n += 1) reader.take(part(n * data.length, data));
    expect(reader.output.text.length).toBe(1 << 20);
    expect(reader.output.cut).toBe(true);
  });

  test("is text and nothing else", () => {
    expect(readable("\u001b[1;31mred\u001b[0m\r\n")).toBe("red\n");
    expect(readable("\u001b]0;title\u0007after")).toBe("after");
    expect(readable("a\u202eb\u0000c\td")).toBe("a\ufffdb\ufffdc\td");
  });
});

describe("the arguments of a tool", () => {
  test("are names and values, one a line", () => {
    expect(readArguments("name=one two\n\n tenths = 5 \npath=/a=b")).toEqual({
      name: "one two",
      tenths: "5",
      path: "/a=b",
    });
    expect(readArguments("")).toEqual({});
  });

  test("are refused when they are not", () => {
    expect(() => readArguments("--force")).toThrow("--force");
  });
});

test("sizes are short", () => {
  expect([0, 999, 1_500, 123_456_789, 2e12].map(bytes)).toEqual([
    "0 B",
    "999 B",
    "1.5 kB",
    "123 MB",
    "2.0 TB",
  ]);
});
