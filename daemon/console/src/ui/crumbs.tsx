/** The way back to the page above. */
import type { PageName } from "../route";
import { Link } from "./link";

export function Crumbs({ to, words }: { to: PageName; words: string }) {
  return (
    <nav aria-label="Place" class="crumbs">
      <Link to={to}>{words}</Link> <span aria-hidden="true">/</span>
    </nav>
  );
}
