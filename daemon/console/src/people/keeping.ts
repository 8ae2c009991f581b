/** How long things are kept, between the daemon's words and what a person types. */
import type { Amount, Keeping } from "./wire";

/** What is kept by age alone. */
export const AGES = ["jobs", "scans", "telemetry", "records"] as const;

export const NOTHING_SAID: Keeping = { events: {}, topics: {} };

function amount(age: string, count: string): Amount {
  return {
    ...(age === "" ? {} : { age }),
    ...(count === "" ? {} : { count: Number(count) }),
  };
}

/** A topic a line: TOPIC=AGE, TOPIC=/NUMBER or TOPIC=AGE/NUMBER. */
export function readTopics(text: string): Record<string, Amount> {
  const topics: Record<string, Amount> = {};
  for (const line of text.split("\n").map((one) => one.trim())) {
    if (line === "") continue;
    const [, topic, age = "", count = ""] =
      /^(\w+)\s*=\s*(\w*)\s*(?:\/\s*(\d+))?$/.exec(line) ?? [];
    if (topic === undefined || (age === "" && count === "")) {
      throw new Error(`${line}: write TOPIC=AGE/NUMBER, such as alerts=30d/5000`);
    }
    topics[topic] = amount(age, count);
  }
  return topics;
}

export function showTopics(topics: Keeping["topics"]): string {
  const line = ([topic, { age = "", count }]: [string, Amount]) =>
    `${topic}=${age}${count === undefined ? "" : `/${count}`}`;
  return Object.entries(topics).map(line).join("\n");
}

export function readKeeping(data: FormData): Keeping {
  const text = (name: string) => String(data.get(name) ?? "").trim();
  const keeping: Keeping = {
    events: amount(text("events-age"), text("events-count")),
    topics: readTopics(text("topics")),
  };
  for (const name of AGES) {
    const age = text(name);
    if (age !== "") keeping[name] = age;
  }
  return keeping;
}
