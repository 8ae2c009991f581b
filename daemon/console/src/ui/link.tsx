/** A link to another page of the console; opens in place unless the person asks for a new window. */
import type { ComponentChildren } from "preact";
import { go, type PageName, pageAddress } from "../route";

interface Props {
  to: PageName;
  query?: Record<string, string>;
  class?: string;
  current?: boolean;
  label?: string;
  children: ComponentChildren;
}

export function Link({ to, query = {}, class: className, current, label, children }: Props) {
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
      return;
    event.preventDefault();
    go(to, query);
  };
  return (
    <a
      href={pageAddress(to, query)}
      class={className}
      aria-current={current ? "page" : undefined}
      aria-label={label}
      onClick={follow}
    >
      {children}
    </a>
  );
}
