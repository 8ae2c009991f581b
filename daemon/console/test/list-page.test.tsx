import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Confirm } from "../src/ui/dialog";
import { ListPage, type RowAction, switching } from "../src/ui/list-page";
import { useListed } from "../src/ui/load";

interface Boat {
  id: string;
  name: string;
  enabled: boolean;
}

let boats: Boat[];
let refused: string | null;
let place: HTMLElement;

const settle = () => act(() => new Promise<void>((done) => setTimeout(done, 0)));
const text = () => place.textContent ?? "";

/** A button by what a screen reader calls it. */
function button(name: string): HTMLButtonElement {
  const found = [...document.querySelectorAll("button")].find(
    (one) => (one.getAttribute("aria-label") ?? one.textContent?.trim()) === name,
  );
  if (!found) throw new Error(`there is no button ${name}`);
  return found;
}

async function press(name: string): Promise<void> {
  button(name).focus();
  await act(() => button(name).click());
  await settle();
}

const actions = (boat: Boat): RowAction[] => [
  switching(boat, async (body) => {
    if (refused) throw new Error(refused);
    boats = boats.map((one) => (one.id === boat.id ? { ...one, ...body } : one));
  }),
  {
    words: "Sink",
    danger: true,
    opens: ({ onClose, onDone }) => (
      <Confirm
        title={`Sink ${boat.name}?`}
        action="Sink it"
        onClose={onClose}
        onConfirm={async () => {
          if (refused) throw new Error(refused);
          boats = boats.filter((one) => one.id !== boat.id);
          onDone(() => <p>It was a good boat.</p>);
        }}
      >
        <p>It does not come back.</p>
      </Confirm>
    ),
  },
];

function Boats() {
  return (
    <ListPage
      title="Boats"
      what="boats"
      list={useListed(async () => ({ items: boats, next_cursor: null }))}
      empty="No boat yet."
      id={({ id }) => id}
      name={({ name }) => name}
      actions={actions}
      columns={[{ head: "Name", cell: ({ name, enabled }) => `${name}${enabled ? "" : " (off)"}` }]}
    />
  );
}

beforeEach(async () => {
  boats = [
    { id: "1", name: "Ada", enabled: true },
    { id: "2", name: "Grace", enabled: true },
  ];
  refused = null;
  place = document.createElement("div");
  document.body.append(place);
  await act(() => render(<Boats />, place));
  await settle();
});

afterEach(() => {
  render(null, place);
  place.remove();
});

test("a row is switched off and on again", async () => {
  await press("Switch off Ada");
  expect(text()).toContain("Ada (off)");
  await press("Switch on Ada");
  expect(text()).not.toContain("Ada (off)");
});

test("a dialog that is given up gives the focus back to its button", async () => {
  await press("Sink Ada");
  expect(document.querySelector("dialog")?.textContent).toContain("Sink Ada?");
  await press("Cancel");
  expect(document.querySelector("dialog")).toBeNull();
  expect(document.activeElement).toBe(button("Sink Ada"));
});

test("a dialog says why it failed, and stays", async () => {
  refused = "The boat is at sea.";
  await press("Sink Ada");
  await press("Sink it");
  expect(document.querySelector("dialog [role=alert]")?.textContent).toBe("The boat is at sea.");
  expect(boats).toHaveLength(2);
});

test("what a dialog ends with is shown, and the list is the new one", async () => {
  await press("Sink Ada");
  await press("Sink it");
  expect(text()).toContain("It was a good boat.");
  expect(text()).not.toContain("Ada");
});

test("whose row is gone goes on at the heading", async () => {
  await press("Sink Ada");
  await press("Sink it");
  await settle();
  expect(document.activeElement?.textContent).toBe("Boats");
});

test("an empty list says what there could be", async () => {
  boats = [];
  await press("Switch off Ada");
  expect(text()).toContain("No boat yet.");
  expect(document.querySelector("table")).toBeNull();
});
