/** The keys, and help for screen readers, on `?`. */
import { readAloud } from "../settings";
import { KEY_HELP } from "../terminal/keys";
import { Dialog } from "./dialog";

const EVERYWHERE: readonly [string, string][] = [
  ["?", "This help"],
  ["/", "Search the list"],
  ["Tab, Enter", "Everything can be reached and used without a mouse"],
  ["Escape", "Close a dialog"],
];

function Keys({ title, list }: { title: string; list: readonly [string, string][] }) {
  return (
    <>
      <h3>{title}</h3>
      <dl class="help-keys">
        {list.map(([keys, meaning]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Help" onClose={onClose}>
      <div class="dialog-body">
        <label class="choice">
          <input
            type="checkbox"
            checked={readAloud.value}
            onChange={(event) => {
              readAloud.value = event.currentTarget.checked;
            }}
          />
          Tell the output of terminals to a screen reader
        </label>
        <Keys title="Everywhere" list={EVERYWHERE} />
        <Keys
          title="In feeds and alerts"
          list={[
            ["j, k", "Next or previous"],
            ["Enter", "All of it"],
            ["Space, n", "Pause a feed, or go on; jump to now"],
            ["x, a, c", "Choose, acknowledge, close an alert"],
          ]}
        />
        <Keys title="On a request for approval" list={[["a, d", "Approve, or deny"]]} />
        <Keys
          title="In a menu of the bar"
          list={[
            ["↓, ↑", "Open it, and go through it"],
            ["Escape", "Close it"],
          ]}
        />
        <Keys title="In a terminal" list={KEY_HELP} />
        <Keys
          title="In the row of tabs"
          list={[
            ["← →", "Next or previous terminal"],
            ["Delete", "Close the terminal"],
            ["Shift+Delete", "Detach it: it runs on"],
          ]}
        />
      </div>
    </Dialog>
  );
}
