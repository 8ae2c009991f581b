/** Data in a list of facts, as it is. What is empty is not shown. */
const isEmpty = (value: unknown): boolean =>
  value === null || (typeof value === "object" && Object.keys(value as object).length === 0);

export function Exactly({ name, value }: { name: string; value: unknown }) {
  if (isEmpty(value)) return null;
  return (
    <>
      <dt>{name}</dt>
      <dd>
        <code class="wrap">{JSON.stringify(value)}</code>
      </dd>
    </>
  );
}
