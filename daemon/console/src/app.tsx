/** The frame around every page: head, navigation, and which page is shown. */
import { effect, signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { AccountPage } from "./account/page";
import { Nav } from "./nav/nav";
import { LoginPage } from "./pages/login";
import { PAGES } from "./pages/table";
import { TenantSwitch } from "./people/tenant-switch";
import { route } from "./route";
import { ask, logout, startError, user } from "./session";
import { type Theme, theme } from "./settings";
import { MyTerminals } from "./terminal/mine-panel";
import { ConnectionMark } from "./ui/connection";
import { Help } from "./ui/help";
import { Icon } from "./ui/icon";
import { Link } from "./ui/link";
import { Loading, Problem } from "./ui/notice";
import { complain, Toasts } from "./ui/toast";
import { retryNow, stream } from "./watch";

/** xterm.js is by far the largest part: fetched when somebody is logged in, before it is needed. */
const TerminalPage = signal<ComponentType | null>(null);
let fetching = false;
async function fetchTerminals(): Promise<void> {
  if (fetching || TerminalPage.peek()) return;
  fetching = true;
  try {
    const { default: page } = await import("./pages/terminal");
    TerminalPage.value = page;
  } catch {
    complain("The terminal could not be loaded. Load this page again.");
  }
  fetching = false;
}

effect(() => {
  document.title = `${PAGES[route.value.page].title} · Gangplank`;
});
effect(() => {
  if (user.value) void fetchTerminals();
});

/** Who followed a link that is gone with its page goes on in the new one, and not at the top of all. */
function keepFocus(): void {
  if (document.activeElement === document.body || document.activeElement === null)
    document.querySelector<HTMLElement>("#main")?.focus({ preventScroll: true });
}

const NEXT_THEME: Readonly<Record<Theme, Theme>> = {
  system: "light",
  light: "dark",
  dark: "system",
};
const THEME_ICON = { system: "system", light: "sun", dark: "moon" } as const;

function ThemeButton() {
  const label = `Colours: ${theme.value === "system" ? "as the system" : theme.value}`;
  return (
    <button
      type="button"
      class="icon"
      aria-label={label}
      title={label}
      onClick={() => {
        theme.value = NEXT_THEME[theme.value];
      }}
    >
      <Icon name={THEME_ICON[theme.value]} />
    </button>
  );
}

function Head({ onHelp }: { onHelp: () => void }) {
  // Before it is known who is there nothing stands where the way out will be a moment later.
  const settled = user.value !== undefined || startError.value !== null;
  return (
    <header class="head">
      <Link to="hosts" class="brand" label="Gangplank, to the hosts">
        <svg class="mark" viewBox="0 0 16 16" aria-hidden="true">
          <path d="M3 4l4 4-4 4M8.5 12H13" />
        </svg>
        <span>Gangplank</span>
      </Link>
      {user.value && !user.value.must_enrol && <Nav />}
      <div class="head-end">
        {user.value && !user.value.must_enrol && <TenantSwitch />}
        {user.value && !user.value.must_enrol && (
          <ConnectionMark state={stream.value} what="What this page shows" onRetry={retryNow} />
        )}
        <MyTerminals />
        {settled && <ThemeButton />}
        {settled && (
          <button type="button" class="icon" aria-label="Help" title="Help (?)" onClick={onHelp}>
            <Icon name="help" />
          </button>
        )}
        {user.value && (
          <Link
            to="account"
            class="button icon user"
            current={route.value.page === "account"}
            label={`Account of ${user.value.username}`}
          >
            <span class="user-name">{user.value.username}</span>
            <Icon name="person" />
          </Link>
        )}
        {user.value && (
          <button
            type="button"
            class="icon"
            title={`Log out ${user.value.username}`}
            aria-label={`Log out ${user.value.username}`}
            onClick={() => void logout().catch(complain)}
          >
            <Icon name="out" />
          </button>
        )}
      </div>
    </header>
  );
}

function Page() {
  const { page } = route.value;
  const { view: View } = PAGES[page];
  // For people who have not logged in yet.
  if (page === "trust" && View) return <View />;
  if (startError.value && !user.value) {
    return (
      <div class="page">
        <Problem>{startError.value}</Problem>
        <button type="button" onClick={() => void ask()}>
          Try again
        </button>
      </div>
    );
  }
  if (user.value === undefined) return <Loading what="the console" />;
  if (page === "login" || user.value === null) return <LoginPage />;
  if (user.value.must_enrol) return <AccountPage />;
  if (View) return <View />;
  return TerminalPage.value ? null : <Loading what="the terminal" />;
}

export function App() {
  const [help, setHelp] = useState(false);
  useEffect(() => {
    void ask();
    const keys = (event: KeyboardEvent) => {
      const { target } = event;
      if (event.key !== "?" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (target instanceof HTMLElement && target.closest("input, textarea, select, dialog"))
        return;
      setHelp(true);
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, []);
  const { page } = route.value;
  const first = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page, another place
  useEffect(() => {
    if (!first.current) keepFocus();
    first.current = false;
  }, [page]);
  const Terminals = TerminalPage.value;
  return (
    <>
      <a class="skip" href="#main">
        To the content
      </a>
      <Head onHelp={() => setHelp(true)} />
      <main id="main" tabIndex={-1}>
        <Page />
        {user.value && !user.value.must_enrol && Terminals && <Terminals />}
      </main>
      {help && <Help onClose={() => setHelp(false)} />}
      <Toasts />
    </>
  );
}
