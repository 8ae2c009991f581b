import { describe, expect, it } from "vitest";
import { evidenceText, plain } from "../src/security/words";

describe("evidence", () => {
  it("is text, whatever it is", () => {
    expect(evidenceText({ bad_credential: 7, flooding: 1 })).toBe("bad credential 7×, flooding 1×");
    expect(evidenceText(["alert", "close"])).toBe("alert, close");
    expect(evidenceText("<img src=x>")).toBe("<img src=x>");
    expect(evidenceText(null)).toBe("");
    expect(plain("unusual_hours")).toBe("unusual hours");
  });
});
