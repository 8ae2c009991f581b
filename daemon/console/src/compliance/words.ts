/** How results, severities and scores read. */
import type { Outcome, Scanner, Severity } from "./wire";

export const OUTCOMES: Readonly<Record<Outcome, [words: string, tone: string]>> = {
  fail: ["Failed", "bad"],
  error: ["Check broke", "warn"],
  unknown: ["Not known", "warn"],
  fixed: ["Put right", "good"],
  pass: ["Passed", "good"],
  informational: ["For information", "idle"],
  notchecked: ["Not checked", "idle"],
  notapplicable: ["Not applicable", "idle"],
  notselected: ["Not selected", "idle"],
};

export const SEVERITIES: Readonly<Record<Severity, string>> = {
  high: "High",
  medium: "Medium",
  low: "Low",
  info: "Info",
  unknown: "Not said",
};

export const SCANNERS: Readonly<Record<Scanner, string>> = {
  openscap: "OpenSCAP",
  lynis: "Lynis",
  "docker-bench": "Docker Bench",
  "oscap-docker": "OpenSCAP on images",
};

/** Those that some agent can be asked to look with. */
export const ORDERED: readonly Scanner[] = ["openscap", "lynis", "docker-bench"];

/** Rounded down, so that 100 % is all. */
export const percent = (score: number | null): string =>
  score === null ? "none" : `${Math.floor(score)} %`;

/** How good a score is, in the tone of its colour. */
export function toneOf(score: number | null): string {
  if (score === null) return "idle";
  if (score >= 90) return "good";
  return score >= 60 ? "warn" : "bad";
}

/** The part of a profile's or rule's name that tells it from others of the same content. */
export const shortName = (name: string): string =>
  name.replace(/^xccdf_[^_]+_(?:profile|rule)_/, "");

/** A profile as a person chose it. */
export const profileName = (profile: string): string => shortName(profile) || "its own choice";
