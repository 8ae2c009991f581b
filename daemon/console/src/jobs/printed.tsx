/** What a tool printed, which follows its end as long as nobody reads further up. */
import { useEffect, useMemo, useRef } from "preact/hooks";
import { type Output, readable } from "./output";

interface Props {
  output: Output;
  /** Nothing more comes. */
  over: boolean;
}

export function Printed({ output, over }: Props) {
  const text = useMemo(() => readable(output.text), [output.text]);
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: new text moves the end
  useEffect(() => {
    if (atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text]);
  return (
    <>
      {output.cut && <p class="quiet">What came first is not shown any more.</p>}
      {text === "" ? (
        <p class="quiet">{over ? "It printed nothing." : "Nothing yet."}</p>
      ) : (
        <pre
          ref={box}
          class="output"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
          tabIndex={0}
          onScroll={(event) => {
            const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
            atEnd.current = scrollTop + clientHeight >= scrollHeight - 8;
          }}
        >
          {text}
        </pre>
      )}
    </>
  );
}
