import { afterEach, beforeEach, expect, test, vi } from "vitest";

/** A page of its own; what earlier pages hear of the same events is theirs. */
let page: { woken: number };

beforeEach(async () => {
  vi.useFakeTimers();
  vi.resetModules();
  const { onWake } = await import("../src/wake");
  const mine = { woken: 0 };
  page = mine;
  onWake(() => {
    mine.woken += 1;
  });
});
afterEach(() => {
  vi.useRealTimers();
});

test("a network that is back wakes the page", () => {
  dispatchEvent(new Event("online"));
  expect(page.woken).toBe(1);
});

test("looking at the page again wakes it", () => {
  document.dispatchEvent(new Event("visibilitychange"));
  expect(page.woken).toBe(1);
});

test("only a page that comes out of the browser's cache needs it", () => {
  dispatchEvent(Object.assign(new Event("pageshow"), { persisted: false }));
  expect(page.woken).toBe(0);
  dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  expect(page.woken).toBe(1);
});

test("a clock that jumped tells of a sleep", () => {
  vi.advanceTimersByTime(60_000);
  expect(page.woken).toBe(0);
  vi.setSystemTime(Date.now() + 600_000);
  vi.advanceTimersByTime(1_000);
  expect(page.woken).toBe(1);
});
