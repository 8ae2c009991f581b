import { beforeEach, describe, expect, test } from "vitest";
import { type Latency, Pulse } from "../src/terminal/pulse";
import { FakeClock } from "./fake";

let clock: FakeClock;
let asked: number[];
let measured: Latency[];
let deaths: number;
let seen: boolean;
let pulse: Pulse;

const answer = (id: number, more: object = {}) => ({
  id,
  daemon_us: 1_000,
  agent_us: null,
  host_us: null,
  ...more,
});

/** The daemon answers whatever was asked last. */
function live(): void {
  pulse.heard();
  pulse.answered(answer(asked.at(-1) ?? 0));
}

function begin(): void {
  pulse.start();
  clock.pass(1_000);
}

beforeEach(() => {
  clock = new FakeClock();
  asked = [];
  measured = [];
  deaths = 0;
  seen = true;
  pulse = new Pulse(
    {
      ask: (id) => asked.push(id),
      measured: (latency) => measured.push(latency),
      dead: () => {
        deaths += 1;
      },
    },
    clock,
    () => seen,
  );
});

describe("the pulse", () => {
  test("asks every five seconds while somebody looks, and seldom else", () => {
    begin();
    live();
    clock.pass(5_000);
    expect(asked).toHaveLength(2);
    live();
    seen = false;
    clock.pass(5_000);
    expect(asked).toHaveLength(3);
    live();
    clock.pass(29_999);
    expect(asked).toHaveLength(3);
    clock.pass(1);
    expect(asked).toHaveLength(4);
  });

  test("splits the round trip into its legs", () => {
    begin();
    clock.pass(50);
    pulse.answered(answer(1, { daemon_us: 2_500, agent_us: 30_000, host_us: 700 }));
    expect(measured).toEqual([{ total: 50, browser: 17.5, daemon: 2.5, agent: 30, host: 0.7 }]);
  });

  test("has no leg that takes less than nothing, and none of an agent that isn't there", () => {
    begin();
    clock.pass(1);
    pulse.answered(answer(1, { daemon_us: 4_000 }));
    expect(measured).toEqual([{ total: 1, browser: 0, daemon: 4, agent: null, host: null }]);
  });

  test("takes no answer to an earlier socket's question", () => {
    begin();
    pulse.stop();
    begin();
    pulse.answered(answer(1));
    expect(measured).toEqual([]);
    pulse.answered(answer(2));
    expect(measured).toHaveLength(1);
  });

  test("is dead after ten seconds of silence", () => {
    begin();
    clock.pass(9_999);
    expect(deaths).toBe(0);
    clock.pass(1);
    expect(deaths).toBe(1);
  });

  test("asks once at a time, and lives as long as anything comes", () => {
    begin();
    for (let second = 0; second < 60; second += 1) {
      clock.pass(1_000);
      pulse.heard();
    }
    expect(asked).toEqual([1]);
    expect(deaths).toBe(0);
  });

  test("in doubt is dead after three seconds, and not when something comes", () => {
    begin();
    live();
    pulse.doubt();
    clock.pass(2_999);
    expect(deaths).toBe(0);
    live();
    clock.pass(1);
    pulse.doubt();
    clock.pass(3_000);
    expect(deaths).toBe(1);
  });

  test("in doubt takes what was under way before for no answer", () => {
    begin();
    live();
    pulse.doubt();
    clock.pass(10);
    pulse.heard();
    clock.pass(2_999);
    expect(deaths).toBe(0);
    clock.pass(1);
    expect(deaths).toBe(1);
  });

  test("doesn't take its own sleep for the other's death", () => {
    begin();
    clock.sleep(600_000);
    expect(deaths).toBe(0);
    clock.pass(3_000);
    expect(deaths).toBe(1);
  });

  test("finds a death also where every timer is late", () => {
    begin();
    clock.sleep(60_000);
    clock.sleep(60_000);
    expect(deaths).toBe(1);
  });

  test("stops for good", () => {
    begin();
    pulse.stop();
    clock.pass(600_000);
    expect(asked).toEqual([1]);
    expect(deaths).toBe(0);
  });
});
