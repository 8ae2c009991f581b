/** The way to every page: in the bar, or in one menu where the bar has no room. */
import { route } from "../route";
import { Icon } from "../ui/icon";
import { Link } from "../ui/link";
import { groups, isCurrent, type NavEntry, type NavGroup } from "./entries";
import { Menu } from "./menu";

function Count({ of }: { of: number }) {
  return of > 0 ? <span class="count">{of > 99 ? "99+" : of}</span> : null;
}

const countOf = (entries: readonly NavEntry[]): number =>
  entries.reduce((sum, { count }) => sum + (count?.() ?? 0), 0);

const holdsPage = ({ entries }: NavGroup): boolean =>
  entries.some((entry) => isCurrent(entry, route.value.page));

function Entry({ entry }: { entry: NavEntry }) {
  return (
    <Link to={entry.to} current={isCurrent(entry, route.value.page)}>
      {entry.words} <Count of={entry.count?.() ?? 0} />
    </Link>
  );
}

const links = (entries: readonly NavEntry[]) =>
  entries.map((entry) => <Entry key={entry.to} entry={entry} />);

function Group({ group }: { group: NavGroup }) {
  return (
    <Menu
      current={holdsPage(group)}
      label={
        <>
          {group.words} <Count of={countOf(group.entries)} />
          <Icon name="down" />
        </>
      }
    >
      {links(group.entries)}
    </Menu>
  );
}

/** Everything in one list, under the groups' names. */
function Whole({ all }: { all: readonly NavGroup[] }) {
  // Open terminals are no news.
  const news = countOf(all.filter(({ direct }) => !direct).flatMap(({ entries }) => entries));
  return (
    <Menu
      current={false}
      label={
        <>
          <Icon name="menu" /> Menu <Count of={news} />
        </>
      }
    >
      {all.map(({ words, entries }) => (
        <section key={words} aria-label={words}>
          <p class="menu-title" aria-hidden="true">
            {words}
          </p>
          {links(entries)}
        </section>
      ))}
    </Menu>
  );
}

/** Which of the two is shown is the style sheet's matter: it knows the width. */
export function Nav() {
  const all = groups();
  return (
    <nav aria-label="Pages">
      <div class="nav-bar">
        {all.map((group) =>
          group.direct ? links(group.entries) : <Group key={group.words} group={group} />,
        )}
      </div>
      <div class="nav-whole">
        <Whole all={all} />
      </div>
    </nav>
  );
}
