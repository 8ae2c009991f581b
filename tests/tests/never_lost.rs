//! A terminal in a real Chromium that is never lost: not by loading the page again, not by a cut
//! line, a killed daemon, a sleep, or another page.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use gangplank_tests::{
    browser::Browser,
    console::{self, connected, focus_terminal, in_state, login, open_terminal},
    eventually,
    fleet::Fleet,
    line::Line,
    program,
};
use serde_json::Value;
use tokio::sync::Mutex;

/// A browser takes a core for itself: one at a time.
static TURN: LazyLock<Mutex<()>> = LazyLock::new(|| Mutex::new(()));

/// A fleet that is reached through a line in the test's hands, and a terminal on its host.
struct AtWork {
    fleet: Fleet,
    line: Line,
    browser: Browser,
}

impl AtWork {
    async fn start() -> Self {
        let port = Line::reserve();
        let url = format!("https://127.0.0.1:{port}");
        let fleet = Fleet::with(&[("server.public_url", &url)]).await;
        let line = Line::start(port, fleet.daemon.authority());
        let mut browser = console::browser(&line.url(), fleet.daemon.ca()).await;
        login(&mut browser, fleet.daemon.password()).await;
        open_terminal(&mut browser).await;
        focus_terminal(&mut browser).await;
        Self { fleet, line, browser }
    }

    /// Another browser of the same person.
    async fn another(&self) -> Browser {
        let mut browser = console::browser(&self.line.url(), self.fleet.daemon.ca()).await;
        login(&mut browser, self.fleet.daemon.password()).await;
        browser
    }

    /// Sessions that run, as the daemon tells them.
    async fn running(&self) -> Vec<Value> {
        let admin = self.fleet.admin().await;
        let path = "/api/v1/sessions?mine=true&state=live";
        let list = admin.get(path).await.expect(200).json();
        list["items"].as_array().expect("a list").clone()
    }

    /// Waits until the sessions that run are in these states.
    async fn until_running(&self, states: &[&str]) {
        eventually::until(eventually::patience(), &format!("{states:?}"), || async {
            let running = self.running().await;
            let found: Vec<_> = running.iter().map(|session| session["state"].clone()).collect();
            (found == states).then_some(())
        })
        .await;
    }

    /// Types lines while nothing gets through, and proves that each arrives once and in order.
    async fn types_into_the_void(&mut self, cut: impl Fn(&Self), mend: impl Fn(&Self)) {
        let command = "cd $(mktemp -d); echo re\"\"ady; head -n 5 > typed; echo the \"\"end\r";
        self.browser.keys(command).await;
        self.browser.screen_shows("ready").await;
        cut(self);
        self.browser.until("the page to notice", &in_state("waiting")).await;
        let lines: Vec<String> = (1..=5).map(|n| format!("line {n} {}", "x".repeat(n))).collect();
        self.browser.keys(&format!("{}\r", lines.join("\r"))).await;
        self.browser.shows("keys wait").await;
        let screen = self.browser.screen().await;
        assert!(!screen.contains("line 1"), "drawn though it has not arrived: {screen}");
        mend(self);
        let browser = &mut self.browser;
        connected(browser).await;
        browser.screen_shows("the end").await;
        browser.keys("clear; cat -A typed | tr a-z A-Z; echo $((6*7)) lines\r").await;
        browser.screen_shows("42 lines").await;
        let screen = browser.screen().await;
        let arrived: Vec<&str> = screen.lines().filter(|line| line.starts_with("LINE")).collect();
        let wanted: Vec<String> =
            lines.iter().map(|line| format!("{}$", line.to_uppercase())).collect();
        assert_eq!(arrived, wanted);
        assert_eq!(browser.eval("document.body.innerText.includes('keys wait')").await, false);
        assert_eq!(browser.problems(), Vec::<String>::new());
    }
}

/// JavaScript that tells whether the list "My terminals" has this many rows.
fn rows_of_mine(count: usize) -> String {
    format!("document.querySelectorAll('.mine-list li').length === {count}")
}

#[tokio::test]
async fn an_editor_is_on_the_screen_again_when_the_page_is_loaded_again() {
    let _turn = TURN.lock().await;
    let mut work = AtWork::start().await;
    let browser = &mut work.browser;
    let _ = program::installed("vi");
    browser.keys("cd $(mktemp -d) && seq 1 200 > numbers && vi numbers\r").await;
    browser.screen_shows("\"numbers\"").await;
    browser.keys("G").await;
    browser.screen_shows("200").await;
    browser.keys("ochanged by hand").await;
    // The cursor's place is what an editor draws last.
    browser.screen_shows("201,16").await;
    let before = browser.screen().await;
    browser.reload().await;
    connected(browser).await;
    browser.screen_is(&before).await;
    browser.keys(", twice\u{1b}:wq\r").await;
    // An editor takes what is typed ahead with it when it goes.
    browser.screen_lacks("changed by hand").await;
    browser.keys("tail -n 1 numbers | tr a-z A-Z\r").await;
    browser.screen_shows("CHANGED BY HAND, TWICE").await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn a_program_is_not_answered_twice_when_its_question_is_shown_again() {
    let _turn = TURN.lock().await;
    let mut work = AtWork::start().await;
    let browser = &mut work.browser;
    // The first page answers, and the shell takes the answer; then `cat` shows whatever comes.
    browser.keys("clear; printf '\\033[c'; read -rsd c answer; echo \"${#answer} bytes\"\r").await;
    browser.screen_shows("6 bytes").await;
    browser.keys("cat -v\r").await;
    browser.reload().await;
    connected(browser).await;
    browser.screen_shows("6 bytes").await;
    browser.keys("nothing else\r").await;
    browser.screen_shows("nothing else\nnothing else").await;
    let screen = browser.screen().await;
    assert!(!screen.contains("[?1;2c"), "{screen}");
}

#[tokio::test]
async fn output_that_nobody_keeps_is_a_line_and_the_editor_draws_itself_anew() {
    let _turn = TURN.lock().await;
    let mut work = AtWork::start().await;
    let browser = &mut work.browser;
    browser.keys("cd $(mktemp -d); seq 1 20 > numbers\r").await;
    browser.keys("yes $(printf %02000d 0) | head -n 700; echo do\"\"ne\r").await;
    browser.screen_shows("done").await;
    browser.reload().await;
    connected(browser).await;
    browser.screen_shows("done").await;
    browser.page_key('f').await;
    browser.until("the search", "document.activeElement?.closest('.search-bar')").await;
    browser.keys("were lost here").await;
    browser.shows("1 of 1").await;
    browser.keys("\u{1b}").await;
    browser.keys("vi numbers\r").await;
    // Its first message is not drawn again.
    browser.screen_shows("20L").await;
    browser.keys(":\u{1b}").await;
    browser.screen_lacks("20L").await;
    browser.screen_shows("1,1").await;
    let before = browser.screen().await;
    browser.reload().await;
    connected(browser).await;
    browser.screen_is(&before).await;
    browser.keys(":q\r").await;
    browser.screen_lacks("1,1").await;
    browser.keys("clear; echo $((6*7)) left\r").await;
    browser.screen_shows("42 left").await;
}

#[tokio::test]
async fn what_is_typed_while_the_line_is_cut_arrives_once_and_in_order() {
    let _turn = TURN.lock().await;
    let mut work = AtWork::start().await;
    work.types_into_the_void(|work| work.line.cut(), |work| work.line.mend()).await;
}

#[tokio::test]
async fn what_is_typed_while_the_daemon_is_dead_arrives_once_and_in_order() {
    let _turn = TURN.lock().await;
    let mut work = AtWork::start().await;
    let kill = |work: &AtWork| work.fleet.daemon.kill();
    work.types_into_the_void(kill, |work| work.fleet.daemon.start_again()).await;
}

#[tokio::test]
async fn a_line_that_goes_dead_without_a_word_is_noticed() {
    let _turn = TURN.lock().await;
    let AtWork { fleet: _fleet, line, mut browser } = AtWork::start().await;
    for told in [true, false] {
        line.strand();
        let start = Instant::now();
        if told {
            browser.eval("dispatchEvent(new Event('online'))").await;
        }
        browser.keys(&format!("clear; echo $((6*7)) {told}\r")).await;
        browser.screen_shows(&format!("42 {told}")).await;
        let limit = Duration::from_secs(if told { 8 } else { 20 });
        assert!(start.elapsed() < limit, "told: {told}, after {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_page_that_slept_through_a_restart_goes_on() {
    let _turn = TURN.lock().await;
    let AtWork { fleet, line: _line, mut browser } = AtWork::start().await;
    browser.keys("clear; x=41\r").await;
    browser.fall_asleep();
    fleet.daemon.kill();
    fleet.daemon.start_again();
    browser.wake_up();
    browser.keys("echo $((x+1)) after sleep\r").await;
    browser.screen_shows("42 after sleep").await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn my_terminals_are_found_attached_and_ended_from_another_browser() {
    let _turn = TURN.lock().await;
    let mut work = AtWork::start().await;
    work.browser.keys("clear; x=41\r").await;
    work.browser.page_key('d').await;
    work.browser.shows("runs on: see My terminals").await;
    work.until_running(&["detached"]).await;

    let mut other = work.another().await;
    other.click_text("My terminals: 1").await;
    other.until("the detached terminal", &rows_of_mine(1)).await;
    other.shows("detached, ends in").await;
    other.click_text("^Attach").await;
    connected(&mut other).await;
    focus_terminal(&mut other).await;
    other.keys("clear; echo $((x+1)) here\r").await;
    other.screen_shows("42 here").await;

    other.click_text("My terminals").await;
    other.shows("on this page").await;
    other.click_text("^End").await;
    other.click_text("End the session").await;
    other.until("the list to be empty", &rows_of_mine(0)).await;
    other.shows("Nothing runs").await;
    other.until("the terminal to end", "document.querySelector('[data-state=ended]')").await;
    work.until_running(&[]).await;
    assert_eq!(other.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn a_closed_tab_ends_its_terminal_and_a_left_page_does_not() {
    let _turn = TURN.lock().await;
    let mut work = AtWork::start().await;
    work.browser.keys("clear; x=41\r").await;
    work.browser.goto("about:blank").await;
    work.until_running(&["detached"]).await;
    work.browser.go_back().await;
    connected(&mut work.browser).await;
    focus_terminal(&mut work.browser).await;
    work.browser.keys("echo $((x+1)) after going back\r").await;
    work.browser.screen_shows("42 after going back").await;
    let url = work.line.url();
    work.browser.goto(&url).await;
    work.browser.click_text("^\\s*Terminals").await;
    connected(&mut work.browser).await;
    work.browser.screen_shows("42 after going back").await;
    work.browser.click_text("Close the terminal").await;
    work.browser.click_text("^End the session").await;
    work.until_running(&[]).await;
}

#[tokio::test]
async fn another_page_may_take_a_terminal_over_and_the_first_take_it_back() {
    let _turn = TURN.lock().await;
    let mut work = AtWork::start().await;
    work.browser.keys("clear; x=41\r").await;
    let mut other = work.another().await;
    other.click_text("My terminals: 1").await;
    other.shows("on another page").await;
    other.click_text("^Attach").await;
    connected(&mut other).await;
    work.browser.shows("Another page of yours took this terminal over").await;
    focus_terminal(&mut other).await;
    other.keys("clear; echo $((x+1)) there\r").await;
    other.screen_shows("42 there").await;
    work.browser.click_text("Take it back").await;
    connected(&mut work.browser).await;
    work.browser.screen_shows("42 there").await;
    other.shows("Another page of yours took this terminal over").await;
    let typing = "document.activeElement?.closest('.xterm') !== null";
    work.browser.until("the keyboard to be the terminal's again", typing).await;
    work.browser.keys("clear; echo $((x+2)) here\r").await;
    work.browser.screen_shows("43 here").await;
}

#[tokio::test]
async fn a_terminal_that_ended_meanwhile_is_told_and_one_click_opens_a_new_one() {
    let _turn = TURN.lock().await;
    let mut work = AtWork::start().await;
    work.browser.goto("about:blank").await;
    let admin = work.fleet.admin().await;
    for session in work.running().await {
        let id = session["id"].as_str().expect("an id");
        admin.delete(&format!("/api/v1/sessions/{id}")).await.expect(204);
    }
    let url = format!("{}/terminal?host={}", work.line.url(), work.fleet.host());
    work.browser.goto(&url).await;
    work.browser.shows("ended while you were away").await;
    work.browser.click_text("New session").await;
    connected(&mut work.browser).await;
    work.browser.keys("clear; echo $((6*7)) anew\r").await;
    work.browser.screen_shows("42 anew").await;
}

#[tokio::test]
async fn the_way_to_the_host_is_measured() {
    let _turn = TURN.lock().await;
    let mut work = AtWork::start().await;
    let browser = &mut work.browser;
    let label = "document.querySelector('.latency')?.getAttribute('aria-label')";
    let words = browser.until("the round trip", label).await;
    let words = words.as_str().expect("text");
    for leg in ["Round trip", "browser", "daemon", "agent"] {
        assert!(words.contains(leg), "{words}");
    }
}

#[tokio::test]
async fn a_login_that_ends_brings_its_terminals_back_with_the_next() {
    let _turn = TURN.lock().await;
    let mut work = AtWork::start().await;
    work.browser.keys("clear; x=41\r").await;
    // As from another tab of the same browser.
    let logout = "fetch('/api/v1/auth/logout', { method: 'POST' }).then(answer => answer.status)";
    assert_eq!(work.browser.eval(logout).await, 204);
    work.browser.until("the login form", "document.activeElement?.name === 'username'").await;
    work.browser.keys("admin\t").await;
    let password = work.fleet.daemon.password().to_owned();
    work.browser.keys(&password).await;
    work.browser.click_text("^\\s*log in").await;
    connected(&mut work.browser).await;
    focus_terminal(&mut work.browser).await;
    work.browser.keys("clear; echo $((x+1)) still\r").await;
    work.browser.screen_shows("42 still").await;
}
