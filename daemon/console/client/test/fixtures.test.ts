/** Every message that the daemon's own tests know is read here, too. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FakeClock, FakeSocket } from "../../test/fake";
import { CHANNELS, type ChannelName, followChannel, followEvents } from "../src/index";

const FOLDER =
  process.env.GANGPLANK_FIXTURES ??
  join(import.meta.dirname, "../../../../proto/fixtures/channels");

const load = (file: string) => JSON.parse(readFileSync(join(FOLDER, file), "utf8"));
const names = readdirSync(FOLDER).map((file) => file.replace(/\.json$/, ""));
test("the fixtures are those of the channels, and of the envelope", () => {
  expect(names.sort()).toEqual([...Object.keys(CHANNELS), "enveloped"].sort());
});

describe.each(Object.keys(CHANNELS) as ChannelName[])("the channel %s", (channel) => {
  const fixture = load(`${channel}.json`);

  test("has its socket where the daemon has it", () => {
    expect([fixture.channel, fixture.path]).toEqual([channel, `/${CHANNELS[channel].path}`]);
  });

  test("says nothing that can't be read", () => {
    const heard: unknown[] = [];
    const unreadable: string[] = [];
    const socket = new FakeSocket("");
    followChannel({
      channel,
      base: "https://relay.example/",
      onMessage: (message) => heard.push(message),
      onUnreadable: (why) => unreadable.push(why),
      open: () => socket,
      clock: new FakeClock(),
    });
    socket.accept();
    for (const { message } of fixture.taken) socket.say(message);
    expect(unreadable).toEqual([]);
    // Everything that was said was heard, in its place or among what else there is to say.
    expect(JSON.stringify(heard).length).toBeGreaterThanOrEqual(
      JSON.stringify(fixture.taken.map(({ message }: { message: unknown }) => message)).length,
    );
  });

  test("is not believed where something is missing", () => {
    const refused = fixture.refused.filter(({ name }: { name: string }) =>
      /^no |^a list$/.test(name),
    );
    expect(refused.length).toBeGreaterThan(0);
    for (const { text } of refused)
      expect(() => CHANNELS[channel].parse(JSON.parse(text))).toThrow();
  });
});

test("the envelope is read: where topics begin, their events, and gaps", () => {
  const { positions, events, gaps } = load("enveloped.json");
  const seen: unknown[] = [];
  const lost: unknown[] = [];
  const unreadable: unknown[] = [];
  const socket = new FakeSocket("");
  const following = followEvents({
    base: "https://relay.example/",
    topics: { alerts: CHANNELS.alerts.parse, vpn: CHANNELS.vpn.parse },
    onEvent: ({ topic, seq, id, at }) => seen.push({ topic, seq, id, at }),
    onGap: ({ topic, lost: gap }) => lost.push({ topic, gap }),
    onUnreadable: (...what) => unreadable.push(what),
    open: () => socket,
    clock: new FakeClock(),
  });
  socket.accept();
  socket.say(positions);
  expect(following.state.kind).toBe("open");
  expect(following.cursor).toEqual(positions.positions);
  for (const gap of gaps) socket.say(gap);
  for (const event of events) socket.say(event);
  expect(unreadable).toEqual([]);
  expect(lost).toEqual(gaps);
  expect(seen).toEqual(events.map(({ data: _data, ...rest }: { data: unknown }) => rest));
});
