/** A field of a form, with what it is for above it. */
import type { ComponentProps } from "preact";

type Props = ComponentProps<"input"> & {
  label: string;
  /** Takes what room is left beside others. */
  grow?: boolean;
};

export function Field({ label, grow, ...input }: Props) {
  return (
    <label class={grow ? "field grow" : "field"}>
      <span>{label}</span>
      <input {...input} />
    </label>
  );
}
