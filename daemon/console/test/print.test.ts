import type { ToolOutput } from "gangplank-client";
import { describe, expect, test } from "vitest";
import { Print } from "../src/investigate/print";
import { NOTHING, type Output } from "../src/jobs/output";
import type { OutputPart } from "../src/jobs/wire";
import { settle } from "./fake";

const frame = (offset: number, text: string, state: string | null = null): ToolOutput => ({
  case_id: "c",
  job_id: "j",
  host_id: "h",
  host_name: "n",
  tool: "t",
  attempt: 1,
  frame: 0,
  offset,
  data: btoa(text),
  state,
});

/** A job that has printed something so far. */
function job() {
  const here = { all: "", complete: false, fetched: 0, most: 1_000 };
  let shown: Output = NOTHING;
  const print = new Print(
    (output) => {
      shown = output;
    },
    async (offset): Promise<OutputPart> => {
      here.fetched += 1;
      const data = here.all.slice(offset, offset + here.most);
      const next = offset + data.length;
      const complete = here.complete && next === here.all.length;
      const pieces = data === "" ? [] : [{ offset, gap: null, data: btoa(data) }];
      return { pieces, next, end: here.all.length, complete };
    },
  );
  return { here, print, shown: () => shown };
}

describe("what a tool prints", () => {
  test("is put together of frames, without fetching", () => {
    const { here, print, shown } = job();
    print.frame(frame(0, "one "));
    print.frame(frame(4, "two"));
    print.frame(frame(0, "one "));
    expect(shown().text).toBe("one two");
    expect(here.fetched).toBe(0);
  });

  test("is fetched where frames leave a hole", async () => {
    const { here, print, shown } = job();
    here.all = "one two three";
    print.frame(frame(0, "one "));
    print.frame(frame(8, "three"));
    await settle();
    expect(shown().text).toBe("one two three");
  });

  test("is fetched to its end, in as many parts as it takes", async () => {
    const { here, print, shown } = job();
    Object.assign(here, { all: "abcdefghij", complete: true, most: 3 });
    print.frame(frame(10, "", "succeeded"));
    await settle();
    expect(shown()).toMatchObject({ text: "abcdefghij", complete: true });
    const before = here.fetched;
    await print.pull();
    expect(here.fetched).toBe(before);
  });
});
