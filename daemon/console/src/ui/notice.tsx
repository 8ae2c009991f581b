/** A boxed message inside a page. */
import type { ComponentChildren } from "preact";

export function Problem({ children }: { children: ComponentChildren }) {
  return (
    <div class="notice bad" role="alert">
      {children}
    </div>
  );
}

export function Notice({ children }: { children: ComponentChildren }) {
  return <div class="notice">{children}</div>;
}

export function Loading({ what }: { what: string }) {
  return (
    <p class="loading" role="status">
      Loading {what} …
    </p>
  );
}
