import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { NAMES } from "../src/route";

test("the daemon answers the addresses of all pages", () => {
  const rust = readFileSync(join(import.meta.dirname, "../lib.rs"), "utf8");
  const list = /pub const PAGES: &\[&str\] = &\[([^\]]*)\]/.exec(rust)?.[1] ?? "";
  const names = [...list.matchAll(/"([a-z-]+)"/g)].map(([, name]) => name);
  expect(names.sort()).toEqual([...NAMES].sort());
});
