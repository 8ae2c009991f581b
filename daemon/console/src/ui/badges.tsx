/** Short words side by side, such as labels. */
interface Props {
  of: readonly string[];
  /** What there is to say where there are none. */
  none?: string;
}

export function Badges({ of, none }: Props) {
  if (of.length === 0) return <>{none}</>;
  return (
    <>
      {of.map((word) => (
        <span key={word} class="badge">
          {word}
        </span>
      ))}
    </>
  );
}
