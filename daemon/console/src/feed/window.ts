/** Which rows of a long list are drawn, and how much room the others take. */

/** Rows that are drawn beyond what is seen, so that a step or a turn of the wheel finds them there. */
const BEYOND = 8;

export interface Shown {
  /** The first row that is drawn, and the one after the last. */
  from: number;
  to: number;
  /** Room above and below them, in pixels. */
  above: number;
  below: number;
}

/** What is drawn where pixels `top` to `bottom` of the list are seen. */
export function windowOf(
  count: number,
  height: (index: number) => number,
  top: number,
  bottom: number,
): Shown {
  let [first, last] = [-1, -1];
  const edges = new Float64Array(count + 1);
  for (let index = 0; index < count; index += 1) {
    const begin = edges[index] ?? 0;
    const end = begin + height(index);
    edges[index + 1] = end;
    if (first < 0 && end > top) first = index;
    if (begin < bottom) last = index;
  }
  if (first < 0) first = Math.max(0, count - 1);
  const from = Math.max(0, first - BEYOND);
  const to = Math.min(count, Math.max(first, last) + 1 + BEYOND);
  return { from, to, above: edges[from] ?? 0, below: (edges[count] ?? 0) - (edges[to] ?? 0) };
}

/** How far below the beginning of the list a row begins. */
export function offsetOf(index: number, height: (index: number) => number): number {
  let sum = 0;
  for (let before = 0; before < index; before += 1) sum += height(before);
  return sum;
}
