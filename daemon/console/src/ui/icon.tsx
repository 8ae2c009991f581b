/** Small line drawings. They decorate: the words beside them, or an `aria-label`, say what is meant. */

const PATHS = {
  add: "M8 3v10M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  copy: "M6 6V3h7v7h-3M3 6h7v7H3z",
  check: "M3 8.5l3.5 3.5L13 5",
  detach: "M3 6V3h10v10h-3M2.5 13.5l6-6M4 7.5h4.5V12",
  down: "M4 6l4 4 4-4",
  help: "M6 6.2a2 2 0 1 1 2.8 1.8c-.6.3-.8.6-.8 1.4M8 12v.2",
  larger: "M1.5 13L5 4l3.5 9M2.7 10h4.6M10.5 8h5M13 5.5v5",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  moon: "M12.5 9.5A5 5 0 0 1 6.5 3.5a5 5 0 1 0 6 6z",
  smaller: "M1.5 13L5 4l3.5 9M2.7 10h4.6M10.5 8h5",
  sun: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6zM8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1",
  system: "M2.5 3.5h11v7.5h-11zM6 13.5h4",
  out: "M9 3H3v10h6M7 8h7M11.5 5.5L14 8l-2.5 2.5",
  person: "M8 2.5a2.6 2.6 0 1 0 0 5.2 2.6 2.6 0 0 0 0-5.2zM3 13.5c.6-2.6 2.5-4 5-4s4.4 1.4 5 4",
  retry: "M13 8a5 5 0 1 1-1.5-3.6M13 2.5v2.7h-2.7",
  search: "M7 2.8a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 0 0 0-8.4zM10.2 10.2L13.5 13.5",
  terminal: "M3 4l4 4-4 4M8.5 12H13",
  up: "M4 10l4-4 4 4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="glyph" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
