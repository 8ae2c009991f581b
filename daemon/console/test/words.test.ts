import { retryIn } from "gangplank-client";
import { describe, expect, test } from "vitest";
import { basePath, socketAddress } from "../src/address";
import { ending } from "../src/terminal/closing";
import { terminalKey } from "../src/terminal/keys";
import { terminalTheme } from "../src/terminal/theme";
import { backlogWords, endWords, explain, gapWords, latencyWords } from "../src/terminal/words";
import { remaining } from "../src/ui/time";
import { ERROR_CODES } from "../src/wire";

describe("words", () => {
  test("every error code has a title and an advice", () => {
    for (const code of ERROR_CODES) {
      const { title, advice } = explain({ code, message: "" });
      expect(title).not.toBe("");
      expect(advice).not.toBe("");
    }
    expect(explain({ code: "from the future" as never, message: "" }).title).toBe("Not connected");
  });

  test("every close code of the daemon is explained", () => {
    const codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1013];
    for (const code of [...codes, 4001, 4002, 4003, 4008, 4009, 4010]) {
      expect(ending(code, "").why).not.toMatch(/code/);
    }
    expect(ending(4444, "").why).toContain("4444");
  });

  test("a daemon's wait is read, and bounded", () => {
    expect(retryIn("retry_in=1500")).toBe(1_500);
    expect(retryIn("retry_in=999999999")).toBe(60_000);
    expect(retryIn("retry_in=-1")).toBeUndefined();
    expect(retryIn("")).toBeUndefined();
  });

  test("what waits is counted in keys, and in KiB when it is much", () => {
    expect(backlogWords({ bytes: 0, keys: 0 })).toBe("");
    expect(backlogWords({ bytes: 3, keys: 1 })).toBe("1 key waits");
    expect(backlogWords({ bytes: 14, keys: 12 })).toBe("12 keys wait");
    expect(backlogWords({ bytes: 5_000, keys: 5_000 })).toBe("5 KiB wait");
  });

  test("a gap says how much is lost", () => {
    expect(gapWords(100)).toContain("100 bytes");
    expect(gapWords(3_000_000)).toContain("2930 KiB");
  });

  test("a round trip names the legs that it has", () => {
    const direct = { total: 12.34, browser: 11, daemon: 1.34, agent: null, host: null };
    expect(latencyWords(direct)).toBe("Round trip 12 ms: browser 11 ms, daemon 1.3 ms");
    const words = latencyWords({ ...direct, agent: 0.25, host: 3 });
    expect(words).toContain("agent 0.3 ms, echo of the host 3.0 ms");
  });

  test("time that remains is in minutes while there are any", () => {
    expect(remaining(11_001)).toBe("12 s");
    expect(remaining(-5)).toBe("0 s");
    expect(remaining(247_000)).toBe("4:07 min");
  });

  test("ends are told apart", () => {
    expect(endWords({ exitStatus: 0 })).toBe("The session ended.");
    expect(endWords({ exitStatus: 2 })).toContain("status 2");
    expect(endWords({ signal: "KILL" })).toContain("KILL");
    expect(endWords({ reason: "idle" })).toContain("idle");
  });
});

describe("addresses", () => {
  const at = (href: string) => new URL(href) as unknown as Location;

  test("sockets follow the page", () => {
    expect(socketAddress("x", at("https://a:8443/hosts"))).toBe("wss://a:8443/x");
    expect(socketAddress("x", at("http://a/hosts"))).toBe("ws://a/x");
  });

  test("keep the prefix of a proxy", () => {
    expect(basePath("/relay/hosts")).toBe("/relay/");
    expect(socketAddress("x", at("https://a/relay/"))).toBe("wss://a/relay/x");
  });
});

describe("keys", () => {
  const key = (key: string, code: string, held: string[] = []) =>
    terminalKey({
      type: "keydown",
      key,
      code,
      ctrlKey: held.includes("ctrl"),
      shiftKey: held.includes("shift"),
      altKey: held.includes("alt"),
      metaKey: false,
    });

  test("plain control keys belong to the program", () => {
    expect(key("c", "KeyC", ["ctrl"])).toBeUndefined();
    expect(key("/", "Slash")).toBeUndefined();
  });

  test("with shift they belong to the page, on every layout", () => {
    expect(key("C", "KeyC", ["ctrl", "shift"])).toBe("copy");
    expect(key("C", "KeyJ", ["ctrl", "shift"])).toBe("copy");
    expect(key("F", "KeyF", ["ctrl", "shift"])).toBe("search");
    expect(key("D", "KeyD", ["ctrl", "shift"])).toBe("detach");
    expect(key("+", "Equal", ["ctrl", "shift"])).toBe("larger");
    expect(key("PageDown", "PageDown", ["alt"])).toBe("next");
  });
});

describe("the palettes", () => {
  const light = (hex: string) => {
    const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
      const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a: string, b: string) => {
    const [high = 0, low = 0] = [light(a), light(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };

  test.each([true, false])("can be read (dark: %s)", (dark) => {
    const { background = "", ...colours } = terminalTheme(dark);
    for (const name of ["red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const) {
      expect(contrast(colours[name] ?? "", background), name).toBeGreaterThanOrEqual(4.5);
    }
    expect(contrast(colours.foreground ?? "", background)).toBeGreaterThanOrEqual(7);
  });
});
