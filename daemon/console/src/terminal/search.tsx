/** The search bar over a terminal. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../ui/icon";

interface Props {
  found: { current: number; count: number };
  onFind: (text: string, backwards: boolean, incremental: boolean) => void;
  onClose: () => void;
}

export function SearchBar({ found, onFind, onClose }: Props) {
  const field = useRef<HTMLInputElement>(null);
  const [text, setText] = useState("");
  useEffect(() => field.current?.focus(), []);
  const count = found.count === 0 ? "none" : `${found.current + 1} of ${found.count}`;
  return (
    <search class="search-bar">
      <input
        ref={field}
        type="text"
        aria-label="Search in the output"
        placeholder="Search in the output"
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => {
          setText(event.currentTarget.value);
          onFind(event.currentTarget.value, false, true);
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape") onClose();
          if (event.key === "Enter") onFind(text, !event.shiftKey, false);
        }}
      />
      <span class="found" role="status">
        {text === "" ? "" : count}
      </span>
      <button
        type="button"
        class="icon"
        aria-label="Earlier match"
        onClick={() => onFind(text, true, false)}
      >
        <Icon name="up" />
      </button>
      <button
        type="button"
        class="icon"
        aria-label="Later match"
        onClick={() => onFind(text, false, false)}
      >
        <Icon name="down" />
      </button>
      <button type="button" class="icon" aria-label="Close search" onClick={onClose}>
        <Icon name="close" />
      </button>
    </search>
  );
}
