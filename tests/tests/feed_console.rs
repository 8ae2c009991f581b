//! What happens, in the console: a person follows channels, deals with alerts, and has hosts looked
//! into.

use gangplank_tests::{
    agent::{Agent, Policy},
    browser::{Browser, field},
    console,
    daemon::Daemon,
    http::Client,
    inbox::alert,
    job::Marker,
    line::Line,
};
use nix::sys::signal::Signal;
use serde_json::json;

/// Something that no page may ever run, with a terminal's colours and a turned direction.
const HOSTILE: &str = "<img src=x onerror=alert(1)>\u{202e} <script>alert(2)</script>";

async fn login(daemon: &Daemon) -> Browser {
    let mut browser = console::browser(&daemon.url(), daemon.ca()).await;
    console::login(&mut browser, daemon.password()).await;
    browser
}

async fn goto(browser: &mut Browser, daemon: &Daemon, page: &str) {
    browser.goto(&format!("{}/{page}", daemon.url())).await;
}

/// The page is not wider than a phone, its head stays, and it keeps to the policy.
async fn fits(browser: &mut Browser, what: &str) {
    browser.size(360, 740).await;
    for size in ["scrollWidth - innerWidth", "scrollHeight - innerHeight"] {
        let over = browser.eval(&format!("document.documentElement.{size}")).await;
        assert!(over.as_i64().is_some_and(|over| over <= 0), "{what}: {size} is {over}");
    }
    browser.size(1280, 800).await;
    assert_eq!(browser.problems(), Vec::<String>::new(), "{what}");
}

/// JavaScript for the number of rows whose text contains something.
fn rows(text: &str) -> String {
    format!(
        "[...document.querySelectorAll('.entries > .entry')]\
         .filter(e => e.innerText.includes({})).length",
        json!(text)
    )
}

const LIVE: &str = "document.querySelector('main [data-connection=open]')";

async fn one_host(admin: &Client) {
    let host = json!({ "friendly_name": "harbour", "address": "192.0.2.7" });
    admin.post("/api/v1/hosts", host).await.expect(201);
}

#[tokio::test]
async fn what_is_published_is_in_the_feed_and_waits_while_it_is_paused() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    one_host(&admin).await;
    admin.tell("alerts", alert("before", "It was told before")).await;
    let mut browser = login(&daemon).await;
    browser.click_text("^Watch").await;
    browser.click_text("^Live feed").await;
    browser.click_text("^Alerts\\s*$").await;
    // What was told before is there, and what is told now comes.
    browser.shows("It was told before").await;
    browser.until("the feed to be live", LIVE).await;
    admin.tell("alerts", alert("now", "It is told now")).await;
    browser.shows("It is told now").await;

    // The keyboard pauses; what comes is counted; and it goes on.
    browser.keys(" ").await;
    browser.shows("Paused: 0 wait").await;
    for number in 0..3 {
        admin.tell("alerts", alert(&format!("later-{number}"), "It is told later")).await;
    }
    browser.shows("Paused: 3 wait").await;
    assert_eq!(browser.eval(&rows("It is told later")).await, 0);
    browser.click_text("Jump to now").await;
    browser.until("what waited", &format!("{} === 3", rows("It is told later"))).await;

    // Filters, by keyboard.
    browser.keys("/").await;
    browser.keys("told now").await;
    browser.until("one row", "document.querySelectorAll('.entries > .entry').length === 1").await;
    browser.click_text("^Show all").await;
    browser.eval("document.activeElement.blur()").await;
    browser.keys("j").await;
    browser.until("a row to have the focus", "document.activeElement.dataset.row").await;
    browser.keys("\r").await;
    browser.shows("\"mitre_techniques\"").await;
    fits(&mut browser, "the feed").await;

    // The daemon is away and comes back: the bar says so, and nothing is missed.
    browser.keys("n").await;
    daemon.signal(Signal::SIGKILL);
    browser.until("the bar", "document.querySelector('.head [data-connection=waiting]')").await;
    browser.shows("Not connected").await;
    daemon.start_again();
    daemon.admin().await.tell("alerts", alert("away", "It was told meanwhile")).await;
    browser.shows("It was told meanwhile").await;
    browser.until("the bar", "document.querySelector('.head [data-connection=open]')").await;
}

#[tokio::test]
async fn a_page_that_is_cut_before_anything_was_told_hears_what_is_told_meanwhile() {
    let port = Line::reserve();
    let url = format!("https://127.0.0.1:{port}");
    let daemon = Daemon::with(&[("server.public_url", &url)]);
    let line = Line::start(port, daemon.authority());
    let admin = daemon.admin().await;
    one_host(&admin).await;
    let mut browser = console::browser(&line.url(), daemon.ca()).await;
    console::login(&mut browser, daemon.password()).await;
    let bar = |state: &str| format!("document.querySelector('.head [data-connection={state}]')");
    browser.until("the bar", &bar("open")).await;
    line.cut();
    browser.until("the cut to be noticed", &bar("waiting")).await;
    admin.tell("alerts", alert("meanwhile", "It was told meanwhile")).await;
    line.mend();
    browser.until("the bar", &bar("open")).await;
    browser.hears("It was told meanwhile").await;
}

/// Alerts with the numbers `from` to `to`, in the order in which they are told.
async fn flood(admin: &Client, from: u32, to: u32) {
    let numbers: Vec<u32> = (from..=to).collect();
    for some in numbers.chunks(500) {
        let alerts = some.iter().map(|n| alert(&format!("f{n}"), &format!("Flood {n} of many")));
        admin.tell("alerts", alerts.collect()).await;
    }
}

/// The numbers of all alerts of the flood that the page holds, as it draws them from the top to the
/// end.
async fn walked(browser: &mut Browser) -> Vec<u64> {
    // Told one by one, since only what is seen is drawn.
    let walk = "(async () => {
        const main = document.querySelector('main');
        const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)));
        const seen = new Set();
        let most = 0;
        main.scrollTo({ top: 0 });
        for (let still = 0; still < 4;) {
            await frame();
            const rows = [...document.querySelectorAll('.entries > .entry')];
            most = Math.max(most, rows.length);
            for (const row of rows) {
                const number = /Flood (\\d+) of/.exec(row.innerText)?.[1];
                if (number) seen.add(Number(number));
            }
            const before = main.scrollTop;
            main.scrollBy({ top: main.clientHeight / 2 });
            still = main.scrollTop === before ? still + 1 : 0;
        }
        main.scrollTo({ top: 0 });
        return { most, seen: [...seen] };
    })()";
    let found = browser.eval(walk).await;
    assert!(found["most"].as_u64().is_some_and(|most| most < 80), "drawn: {}", found["most"]);
    let seen = found["seen"].as_array().expect("numbers");
    seen.iter().map(|number| number.as_u64().expect("a number")).collect()
}

#[tokio::test]
async fn a_flood_is_drawn_only_as_far_as_it_is_seen_and_nothing_of_it_is_lost() {
    const MANY: u32 = 5_000;
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    one_host(&admin).await;
    let mut browser = login(&daemon).await;
    goto(&mut browser, &daemon, "feed?channel=alerts").await;
    browser.until("the feed to be live", LIVE).await;
    browser.shows("Nothing has happened yet").await;
    // Half of it comes while it is followed, half while it is paused.
    flood(&admin, 1, MANY / 2).await;
    browser.shows(&format!("Flood {} of many", MANY / 2)).await;
    browser.keys(" ").await;
    browser.shows("Paused").await;
    flood(&admin, MANY / 2 + 1, MANY).await;
    browser.shows(&format!("Paused: {} wait", MANY / 2)).await;
    assert_eq!(browser.eval(&rows("Flood 2501 of")).await, 0, "it is paused");
    browser.keys("n").await;
    // The newest is on top.
    let top = "document.querySelector('.entries > .entry').innerText.includes('Flood 5000 of')";
    browser.until("the newest on top", top).await;
    let drawn = "document.querySelectorAll('.entries > .entry').length";
    assert!(browser.eval(drawn).await.as_u64().is_some_and(|drawn| drawn < 80));
    // All of it is there, in its order, and by keyboard.
    let mut all = walked(&mut browser).await;
    assert!(all.is_sorted_by(|a, b| a > b), "newest first");
    all.reverse();
    assert_eq!(all, (1..=u64::from(MANY)).collect::<Vec<_>>());
    browser.keys("jj").await;
    let second = "document.activeElement.innerText.includes('Flood 4999 of')";
    browser.until("the second row to have the focus", second).await;
    let place = "document.activeElement.ariaPosInSet + ' of ' + document.activeElement.ariaSetSize";
    assert_eq!(browser.eval(place).await, "2 of 5000");
    // While somebody reads, rows stay where they are.
    flood(&admin, MANY + 1, MANY + 3).await;
    browser.shows("3 newer").await;
    browser.until("the focus to stay", second).await;
    browser.keys("n").await;
    browser.shows("Flood 5003 of many").await;
    // A filter looks through all of it.
    browser.keys("/").await;
    browser.keys("flood 1700").await;
    browser.shows("Flood 1700 of many").await;
    browser.until("the one alert alone", &format!("{} === 1", rows("Flood"))).await;
    fits(&mut browser, "the flood").await;
}

#[tokio::test]
async fn hostile_text_is_text() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let mut hostile = alert("hostile", "x");
    for name in ["title", "source", "severity"] {
        // What turns the direction is refused at the door; what looks like markup is not.
        let text = HOSTILE.replace('\u{202e}', "");
        hostile[name] = json!(if name == "title" { text } else { "<b>loud</b>".to_owned() });
    }
    hostile["iocs"] = json!([{ "type": HOSTILE }]);
    admin.tell("alerts", hostile).await;
    let thought = json!({
        "agent": "<i>a</i>", "action": "<svg onload=alert(3)>", "case_id": "<u>c</u>",
        "details": { "said": HOSTILE }, "duration_ms": 1, "timestamp": "2026-01-15T09:30:00Z",
    });
    admin.tell("agent_thoughts", thought).await;
    one_host(&admin).await;
    let mut browser = login(&daemon).await;
    for (page, shown) in [
        ("feed?channel=alerts", "<script>alert(2)</script>"),
        ("feed?channel=agent_thoughts", "<svg onload=alert(3)>"),
        ("alerts", "<script>alert(2)</script>"),
    ] {
        goto(&mut browser, &daemon, page).await;
        browser.shows(shown).await;
        browser.eval("document.querySelectorAll('details').forEach(e => { e.open = true })").await;
        browser.shows("\u{fffd}").await;
        let made = "document.querySelectorAll('main :is(img, script, b, i, u)').length \
                    + document.querySelectorAll('main svg:not(.glyph)').length";
        assert_eq!(browser.eval(made).await, 0, "{page}");
        fits(&mut browser, page).await;
    }
}

#[tokio::test]
async fn an_alert_acknowledged_on_one_page_is_so_on_the_other() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    one_host(&admin).await;
    let (mut mine, mut other) = (login(&daemon).await, login(&daemon).await);
    goto(&mut mine, &daemon, "alerts").await;
    mine.shows("Nothing new").await;
    fits(&mut mine, "the empty inbox").await;
    for number in 0..4 {
        admin.tell("alerts", alert(&format!("a{number}"), &format!("Alert {number}"))).await;
    }
    // The badge is on every page, and the inbox fills by itself.
    let badge = |count: u32| {
        format!(
            "[...document.querySelectorAll('.nav-bar .count')].some(e => e.innerText === '{count}')"
        )
    };
    other.until("the badge", &badge(4)).await;
    mine.until("the rows", &format!("{} === 4", rows("Alert"))).await;
    goto(&mut other, &daemon, "alerts").await;
    other.until("the rows", &format!("{} === 4", rows("Alert"))).await;

    // One by the keyboard: the first row, acknowledged.
    mine.keys("ja").await;
    mine.until("three", &format!("{} === 3", rows("Alert"))).await;
    other.until("three there, too", &format!("{} === 3", rows("Alert"))).await;
    other.until("the badge", &badge(3)).await;
    // The rest together, with a note.
    other.click("All", "document.querySelector('.entry-bar input[type=checkbox]')").await;
    other.click("the note", &field("Note for")).await;
    other.keys("drill").await;
    other.click_text("^Acknowledge\\s*$").await;
    mine.shows("Nothing new").await;
    mine.click_text("^Acknowledged").await;
    mine.until("all four", &format!("{} === 4", rows("Alert"))).await;
    mine.shows("drill").await;
    fits(&mut mine, "the inbox").await;
    // Found again by its words, and closed.
    mine.keys("/").await;
    mine.keys("a2").await;
    mine.until("the one", &format!("{} === 1", rows("Alert"))).await;
    mine.click("it", "document.querySelector('.entry input[type=checkbox]')").await;
    mine.click_text("^Close\\s*$").await;
    mine.shows("No alert matches").await;
    let closed = admin.get("/api/v1/alerts/a2").await.expect(200).json();
    assert_eq!(
        (&closed["status"], &closed["changed_by"]),
        (&json!("closed"), &json!("user:admin"))
    );
}

#[tokio::test]
async fn a_tool_runs_on_hosts_side_by_side_for_a_case() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let (marker, policy) = (Marker::new(), Policy::everything("localhost:22"));
    let mut agents = Vec::new();
    for name in ["harbour", "drydock"] {
        let agent = Agent::enrol_with(&daemon, &admin, &policy, |table| marker.allow(table)).await;
        let body = json!({ "friendly_name": name, "labels": ["dock"] });
        admin.patch(&format!("/api/v1/hosts/{}", agent.host()), body).await.expect(200);
        let abilities = json!({ "command": "refresh_integration_status" });
        let job = admin.order(agent.host(), abilities).await;
        admin.job_over(&job).await;
        agents.push(agent);
    }
    let mut browser = login(&daemon).await;
    goto(&mut browser, &daemon, "investigate").await;
    browser.shows("harbour").await;
    for (which, text) in [("^Case", "case-7"), ("^Tool", "mark")] {
        browser.click(which, &field(which)).await;
        browser.keys(text).await;
    }
    browser.click("arguments", &field("^Arguments")).await;
    browser.keys("name=looked\rtenths=600").await;
    browser.click_text("^All online").await;
    browser.shows("The chosen hosts allow: fail, flood, mark").await;
    browser.click_text("^Run on 2 hosts").await;
    // Both print while they run.
    let printing = "[...document.querySelectorAll('.trail pre')]\
                    .filter(e => e.innerText.includes('begins looked')).length === 2";
    browser.until("both outputs", printing).await;
    fits(&mut browser, "the investigation").await;
    for name in ["harbour", "drydock"] {
        browser.click_text(&format!("Cancel on {name}")).await;
    }
    let cancelled = "document.querySelectorAll('.trail [data-job-state=cancelled]').length === 2";
    browser.until("both to be called off", cancelled).await;
    // What was done is beside it, as receipts of the case.
    browser.until("receipts", &format!("{} > 0", rows("run_tool"))).await;
    browser.click_text("Run again on harbour").await;
    browser.until("it to run", "document.querySelector('.trail [data-job-state=running]')").await;
    let runs = || (marker.effects().values().sum::<usize>() == 3).then_some(());
    browser.meanwhile("the tool to begin for the third time", runs).await;
    browser.click_text("Cancel on harbour").await;
    browser.until("all to be called off", cancelled).await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}
