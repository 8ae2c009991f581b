//! The console in a real Chromium: from the login to a shell, in every way to the host.

use std::{sync::LazyLock, time::Duration};

use gangplank_tests::{
    account::random,
    agent::{Agent, Policy},
    browser::{Browser, Drawing, by_text, field},
    console::{self, connected, focus_terminal, login, open_terminal},
    eventually,
    fleet::Fleet,
    job::Marker,
    process, program,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, OnceCell};

static FLEET: OnceCell<Fleet> = OnceCell::const_new();

/// A browser takes a core for itself: one at a time.
static TURN: LazyLock<Mutex<()>> = LazyLock::new(|| Mutex::new(()));

async fn fleet() -> &'static Fleet {
    FLEET.get_or_init(Fleet::start).await
}

async fn browser(fleet: &Fleet) -> Browser {
    console::browser(&fleet.daemon.url(), fleet.daemon.ca()).await
}

/// Fills a field of the connect form.
async fn fill(browser: &mut Browser, which: &str, text: &str) {
    browser.click(&format!("the field {which}"), &field(which)).await;
    browser.keys(text).await;
}

/// Connects by password, accepting the host's key when that is asked.
async fn by_password(browser: &mut Browser, fleet: &Fleet, way: &str) {
    browser.goto(&fleet.daemon.url()).await;
    browser.until("the host list", "document.querySelector('ul.hosts li')").await;
    let tab = format!("{}/terminal?host={}", fleet.daemon.url(), fleet.host());
    browser.goto(&tab).await;
    connected(browser).await;
    browser.keys("exit\r").await;
    browser
        .until("the end of the first shell", "document.querySelector('[data-state=ended]')")
        .await;
    browser.click_text("Connect as").await;
    let choice = format!(
        "[...document.querySelectorAll('label.choice')].find(e => new RegExp({}).test(e.innerText))",
        json!(way)
    );
    browser.click(way, &choice).await;
    if way.contains("agent") {
        fill(browser, "target", &fleet.sshd.target()).await;
    }
    fill(browser, "^User", &fleet.sshd.account().name).await;
    fill(browser, "^Password", &fleet.sshd.account().password).await;
    browser.click("Connect", "document.querySelector('.connect button[type=submit]')").await;
    let question = by_text("Accept and connect");
    let either = format!(
        "({question}) || [...document.querySelectorAll('[data-state=connected]')]\
         .some(e => e.getClientRects().length)"
    );
    browser.until("the host's key, or a terminal", &either).await;
    if browser.eval(&format!("!!({question})")).await == true {
        let text = browser.eval("document.querySelector('dialog[open]')?.innerText ?? ''").await;
        let known = fleet.sshd.fingerprints();
        let shown = text.as_str().unwrap_or("").to_owned();
        assert!(known.iter().any(|print| shown.contains(print)), "{shown}");
        browser.click_text("Accept and connect").await;
    }
    connected(browser).await;
}

/// What must hold in every terminal.
async fn proves_itself(browser: &mut Browser) {
    browser.keys("echo $((6*7))\r").await;
    browser.screen_shows("42").await;
    for (width, height) in [(900, 500), (1200, 700)] {
        browser.size(width, height).await;
        // The shell's own view of its window, against the number of rows that the page shows.
        browser
            .until(
                "the rows to follow the window",
                "document.querySelectorAll('.xterm-rows > div').length",
            )
            .await;
        eventually_follows(browser).await;
    }
}

/// The same shell is there when the page is loaded again, and asks for no password.
async fn comes_back(browser: &mut Browser) {
    browser.keys("clear; x=41\r").await;
    browser.reload().await;
    connected(browser).await;
    focus_terminal(browser).await;
    browser.keys("echo $((x+1)) again\r").await;
    browser.screen_shows("42 again").await;
}

async fn eventually_follows(browser: &mut Browser) {
    let start = std::time::Instant::now();
    loop {
        browser.keys("clear; echo size-$(stty size | tr ' ' x)-end\r").await;
        browser.screen_shows("-end").await;
        let rows = browser
            .eval("[...document.querySelectorAll('.xterm-rows')].find(e => e.getClientRects().length)?.children.length")
            .await;
        let wanted = format!("size-{rows}x");
        if browser.screen().await.contains(&wanted) {
            return;
        }
        assert!(
            start.elapsed() < eventually::patience(),
            "the shell doesn't say {wanted}: {}",
            browser.screen().await
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_terminal_is_three_clicks_away_and_the_policy_is_never_violated() {
    let (_turn, fleet) = (TURN.lock().await, fleet().await);
    let mut browser = browser(fleet).await;
    login(&mut browser, fleet.daemon.password()).await;
    open_terminal(&mut browser).await;
    assert!(browser.clicks() <= 3, "{} clicks", browser.clicks());
    proves_itself(&mut browser).await;
    assert_eq!(browser.problems(), Vec::<String>::new());
    // ws or wss follows the page.
    let sockets: Vec<String> =
        browser.requests().into_iter().filter(|url| url.starts_with("ws")).collect();
    assert!(
        !sockets.is_empty() && sockets.iter().all(|url| url.starts_with("wss://")),
        "{sockets:?}"
    );
}

#[tokio::test]
async fn ssh_through_the_agent_works_in_the_browser() {
    let (_turn, fleet) = (TURN.lock().await, fleet().await);
    let mut browser = browser(fleet).await;
    login(&mut browser, fleet.daemon.password()).await;
    by_password(&mut browser, fleet, "SSH by agent").await;
    proves_itself(&mut browser).await;
    comes_back(&mut browser).await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn direct_ssh_works_in_the_browser() {
    let (_turn, fleet) = (TURN.lock().await, fleet().await);
    let mut browser = browser(fleet).await;
    login(&mut browser, fleet.daemon.password()).await;
    by_password(&mut browser, fleet, "Direct SSH").await;
    proves_itself(&mut browser).await;
    comes_back(&mut browser).await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn an_editor_opens_and_redraws() {
    let (_turn, fleet) = (TURN.lock().await, fleet().await);
    let mut browser = browser(fleet).await;
    login(&mut browser, fleet.daemon.password()).await;
    open_terminal(&mut browser).await;
    let _ = program::installed("vi");
    browser.keys("cd $(mktemp -d) && seq 1 200 > numbers && vi numbers\r").await;
    browser.screen_shows("\"numbers\"").await;
    browser.keys("G").await;
    browser.screen_shows("200").await;
    browser.size(800, 420).await;
    browser.keys("gg").await;
    browser.screen_shows("1").await;
    browser.size(1280, 800).await;
    browser.keys("ochanged by hand").await;
    browser.screen_shows("changed by hand").await;
    browser.keys("\u{1b}:wq\r").await;
    // An editor takes what is typed ahead with it when it goes.
    browser.screen_lacks("changed by hand").await;
    browser.keys("sed -n 2p numbers | tr a-z A-Z\r").await;
    browser.screen_shows("CHANGED BY HAND").await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn a_paste_of_a_megabyte_survives() {
    let (_turn, fleet) = (TURN.lock().await, fleet().await);
    let mut browser = browser(fleet).await;
    login(&mut browser, fleet.daemon.password()).await;
    open_terminal(&mut browser).await;
    focus_terminal(&mut browser).await;
    // A paste turns line ends into carriage returns, as every terminal does.
    let tag = hex::encode(random::<4>());
    let line = format!("{tag} naïve 日本語 the quick brown fox jumps over the lazy dog\n");
    let paste = line.repeat(1_000_000 / line.len());
    let digest = hex::encode(Sha256::digest(paste.replace('\n', "\r")));
    let count = paste.len();
    browser
        .keys(&format!(
            "clear; stty raw -echo; echo re\"\"ady; head -c {count} | sha256sum; stty sane\r"
        ))
        .await;
    browser.screen_shows("ready").await;
    browser.paste(&paste).await;
    // The page may ask before it pastes many lines.
    let asks = by_text("^\\s*paste");
    let either = format!(
        "({asks}) || document.querySelector('.xterm-rows')?.textContent.includes({})",
        json!(&digest[..32])
    );
    browser.until("a question or the digest", &either).await;
    if browser.eval(&format!("!!({asks})")).await == true {
        browser.click_text("^\\s*paste").await;
    }
    browser.screen_shows(&digest[..32]).await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn the_terminal_comes_back_after_the_agent_did() {
    let (_turn, fleet) = (TURN.lock().await, fleet().await);
    let mut browser = browser(fleet).await;
    login(&mut browser, fleet.daemon.password()).await;
    open_terminal(&mut browser).await;
    fleet.agent.kill();
    let told = "[...document.querySelectorAll('[data-state]')].some(e => \
                ['suspended','lost','failed','ended','waiting'].includes(e.dataset.state))";
    browser.until("the page to say that the agent is gone", told).await;
    fleet.agent.start_again();
    let admin = fleet.admin().await;
    fleet.agent.online(&admin).await;
    let again = by_text("New session|Reconnect|Try again|Now");
    let back = format!("({again}) || document.querySelector('[data-state=connected]')");
    browser.until("a way back", &back).await;
    if browser.eval("!document.querySelector('[data-state=connected]')").await == true {
        browser.click_text("New session|Reconnect|Try again|Now").await;
    }
    connected(&mut browser).await;
    focus_terminal(&mut browser).await;
    browser.keys("clear; echo $((6*7))\r").await;
    browser.screen_shows("42").await;
}

#[tokio::test]
async fn hosts_appear_and_change_without_being_asked_for() {
    let (_turn, fleet) = (TURN.lock().await, fleet().await);
    let mut browser = browser(fleet).await;
    login(&mut browser, fleet.daemon.password()).await;
    let before = browser.requests().len();
    let admin = fleet.admin().await;
    let made = admin.add_host("appears by itself", Some(("127.0.0.1", 22))).await;
    browser.shows("appears by itself").await;
    let id = made["id"].as_str().expect("an id");
    let body = json!({ "friendly_name": "renamed by others" });
    admin.patch(&format!("/api/v1/hosts/{id}"), body).await.expect(200);
    browser.shows("renamed by others").await;
    admin.delete(&format!("/api/v1/hosts/{id}")).await.expect(204);
    browser.until("the host to go", "!document.body.innerText.includes('renamed by others')").await;
    let asked: Vec<String> = browser.requests().split_off(before);
    assert!(asked.iter().all(|url| !url.contains("/hosts")), "the page polls: {asked:?}");
}

#[tokio::test]
async fn text_from_a_host_is_text() {
    let (_turn, fleet) = (TURN.lock().await, fleet().await);
    let admin = fleet.admin().await;
    let evil = "<img src=x onerror=alert(1)>";
    let made = admin.add_host(evil, None).await;
    let mut browser = browser(fleet).await;
    login(&mut browser, fleet.daemon.password()).await;
    browser.shows(evil).await;
    assert_eq!(browser.eval("document.querySelectorAll('img').length").await, 0);
    assert_eq!(browser.problems(), Vec::<String>::new());
    let id = made["id"].as_str().expect("an id");
    admin.delete(&format!("/api/v1/hosts/{id}")).await.expect(204);
}

#[tokio::test]
async fn a_gateway_is_chosen_by_keyboard() {
    let (_turn, fleet) = (TURN.lock().await, fleet().await);
    let admin = fleet.admin().await;
    let made = admin.add_host("zz-inner", Some(("10.0.0.1", 22))).await;
    let gateway = admin.add_host("qq-gateway", None).await;
    let id = |made: &serde_json::Value| made["id"].as_str().expect("an id").to_owned();
    let mut browser = browser(fleet).await;
    login(&mut browser, fleet.daemon.password()).await;
    let page = format!("{}/host?id={}", fleet.daemon.url(), id(&made));
    browser.goto(&page).await;
    browser.click_text("Change name").await;
    let focus = "document.activeElement?.name";
    browser.until("the first field", &format!("{focus} === 'friendly_name'")).await;
    browser.keys("\t\t\t").await;
    assert_eq!(browser.eval(focus).await, "gateway_id");
    let offered = |made: &serde_json::Value| {
        format!("[...document.activeElement.options].some(o => o.value === '{}')", id(made))
    };
    browser.until("the other host to be offered", &offered(&gateway)).await;
    assert_eq!(browser.eval(&offered(&made)).await, false, "a host is not its own gateway");
    browser.keys("qq").await;
    let chosen = format!("document.activeElement.value === '{}'", id(&gateway));
    browser.until("the choice", &chosen).await;
    browser.keys("\t\r").await;
    let shown = "[...document.querySelectorAll('dd a')].find(e => e.innerText === 'qq-gateway')";
    browser.until("the gateway on the host's page", shown).await;
    let row = admin.get(&format!("/api/v1/hosts/{}", id(&made))).await.expect(200).json();
    assert_eq!(row["gateway_id"], id(&gateway).as_str());
    assert_eq!(browser.problems(), Vec::<String>::new());
    for host in [made, gateway] {
        admin.delete(&format!("/api/v1/hosts/{}", id(&host))).await.expect(204);
    }
}

#[tokio::test]
async fn a_command_is_given_on_the_host_s_page_and_its_output_is_shown() {
    let (_turn, fleet) = (TURN.lock().await, fleet().await);
    let admin = fleet.admin().await;
    let marker = Marker::new();
    let policy = Policy::everything("localhost:22");
    let worker = Agent::enrol_with(&fleet.daemon, &admin, &policy, |t| marker.allow(t)).await;
    let mut browser = browser(fleet).await;
    login(&mut browser, fleet.daemon.password()).await;
    let page = format!("{}/host?id={}", fleet.daemon.url(), worker.host());
    browser.goto(&page).await;
    // A report appears on the page by itself.
    browser.shows("ask the host for one").await;
    admin.order(worker.host(), json!({ "command": "report_now" })).await;
    let kernel = "[...document.querySelectorAll('dt')].find(e => e.innerText === 'Kernel')";
    browser.until("the report", kernel).await;
    browser.shows("and then Abilities").await;
    admin.order(worker.host(), json!({ "command": "refresh_integration_status" })).await;
    browser.shows("switched off by the host's own file (policy.docker)").await;
    browser.shows("mark").await;
    browser.click_text("^Run").await;
    browser.click("the choice of a tool", "document.querySelector('input[value=run_tool]')").await;
    fill(&mut browser, "^Tool", "mark").await;
    fill(&mut browser, "^Arguments", "name=by-hand\rtenths=600").await;
    browser.click("Run", "document.querySelector('dialog button[type=submit]')").await;
    // It is shown while the command runs.
    let printed = "document.querySelector('pre.output')?.textContent.includes('begins by-hand')";
    browser.until("what it prints", printed).await;
    browser.until("the job to run", "document.querySelector('[data-job-state=running]')").await;
    browser.size(360, 740).await;
    let over = browser.eval("document.documentElement.scrollWidth - innerWidth").await;
    assert!(over.as_i64().is_some_and(|over| over <= 0), "the job's page is too wide: {over}");
    browser.size(1280, 800).await;
    browser.click_text("Cancel run_tool").await;
    browser
        .until("the job to be called off", "document.querySelector('[data-job-state=cancelled]')")
        .await;
    // The board has it, too, under its own part.
    browser.click_text("^Jobs").await;
    browser.click_text("^Done").await;
    let row = "[...document.querySelectorAll('tbody tr')].find(row => \
               row.querySelector('[data-job-state=cancelled]'))";
    browser.until("the job on the board", row).await;
    assert_eq!(browser.problems(), Vec::<String>::new());
    admin.delete(&format!("/api/v1/hosts/{}", worker.host())).await.expect(204);
}

#[tokio::test]
async fn the_first_visit_explains_the_certificate() {
    let (_turn, fleet) = (TURN.lock().await, fleet().await);
    let mut stranger = Browser::start(&[]).await;
    let why = stranger.goto_refused(&fleet.daemon.url()).await;
    assert!(why.contains("CERT"), "a browser that trusts nobody must refuse: {why:?}");

    let mut browser = browser(fleet).await;
    browser.click_text("trust").await;
    let trust = fleet.daemon.client().get("/api/v1/trust").await.expect(200).json();
    browser.shows(trust["ca_fingerprint"].as_str().expect("a fingerprint")).await;
    let printed = process::succeed(
        std::process::Command::new(program::installed("openssl"))
            .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
            .arg(fleet.daemon.ca()),
    );
    assert!(printed.contains(trust["ca_fingerprint"].as_str().expect("text")), "{printed}");
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn every_page_keeps_to_the_policy_in_dark_and_light_and_on_a_phone() {
    let (_turn, fleet) = (TURN.lock().await, fleet().await);
    let mut browser = browser(fleet).await;
    login(&mut browser, fleet.daemon.password()).await;
    for scheme in ["dark", "light"] {
        browser.prefers(scheme).await;
        for page in [
            "hosts",
            "jobs",
            "compliance",
            "schedules",
            "sessions",
            "users",
            "security",
            "roles",
            "tokens",
            "tenants",
            "audit",
            "trust",
        ] {
            browser.goto(&format!("{}/{page}", fleet.daemon.url())).await;
            browser.until(page, "document.querySelector('h1')").await;
            for width in [1280, 360] {
                browser.size(width, 740).await;
                let over = browser.eval("document.documentElement.scrollWidth - innerWidth").await;
                assert!(over.as_i64().is_some_and(|over| over <= 0), "{page} is too wide: {over}");
            }
        }
    }
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn the_terminal_is_drawn_by_webgl_where_there_is_one() {
    let (_turn, fleet) = (TURN.lock().await, fleet().await);
    let mut browser = Browser::with(&[fleet.daemon.ca()], Drawing::WebGl).await;
    browser.goto(&fleet.daemon.url()).await;
    login(&mut browser, fleet.daemon.password()).await;
    open_terminal(&mut browser).await;
    browser.until("a canvas", "document.querySelector('.xterm-screen canvas')").await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}
