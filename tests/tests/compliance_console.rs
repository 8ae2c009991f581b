//! Compliance in the console: a person scans a host, reads what was found, and has it done every night.

use gangplank_tests::{
    agent::{Agent, Policy},
    browser::{Browser, field},
    console,
    daemon::Daemon,
    http::Client,
};
use serde_json::{Value, json};
use toml::Table;

/// Something that no page may ever run, as a host could say it.
const MARKUP: &str = "<img src=x onerror=alert(1)>";

async fn host(daemon: &Daemon, admin: &Client) -> Agent {
    let allow = |table: &mut Table| {
        let section = table.entry("policy").or_insert_with(|| Table::new().into());
        section.as_table_mut().expect("a table").insert("scan".to_owned(), true.into());
    };
    let agent = Agent::enrol_with(daemon, admin, &Policy::everything("localhost:22"), allow).await;
    let name = json!({ "friendly_name": format!("harbour {MARKUP}"), "labels": ["db"] });
    admin.patch(&format!("/api/v1/hosts/{}", agent.host()), name).await.expect(200);
    agent
}

/// Chooses a value of a selection, as the keyboard does.
async fn choose(browser: &mut Browser, label: &str, value: &str) {
    let select = format!(
        "(() => {{ const e = [...document.querySelectorAll('label')]\
         .find(e => e.querySelector('span')?.innerText === {})?.querySelector('select'); \
         if (!e) return null; e.value = {}; \
         e.dispatchEvent(new Event('change', {{ bubbles: true }})); return true; }})()",
        json!(label),
        json!(value)
    );
    browser.until(label, &select).await;
}

async fn fill(browser: &mut Browser, which: &str, text: &str) {
    browser.click(&format!("the field {which}"), &field(which)).await;
    browser.keys(text).await;
}

/// The page is not wider than a phone, and keeps to the policy.
async fn fits(browser: &mut Browser, what: &str) {
    browser.size(360, 740).await;
    let over = browser.eval("document.documentElement.scrollWidth - innerWidth").await;
    assert!(over.as_i64().is_some_and(|over| over <= 0), "{what} is too wide: {over}");
    // What is long scrolls below the head, not with it.
    let over = browser.eval("document.documentElement.scrollHeight - innerHeight").await;
    assert!(over.as_i64().is_some_and(|over| over <= 0), "{what} pushes its head away: {over}");
    browser.size(1280, 800).await;
    assert_eq!(browser.problems(), Vec::<String>::new(), "{what}");
}

#[tokio::test]
async fn a_person_scans_a_host_and_reads_what_was_found() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let agent = host(&daemon, &admin).await;
    let mut browser = console::browser(&daemon.url(), daemon.ca()).await;
    console::login(&mut browser, daemon.password()).await;

    // With nothing found yet the page says what to do.
    browser.click_text("^Compliance").await;
    browser.shows("No host was scanned yet").await;
    fits(&mut browser, "the empty page").await;
    browser.click_text("^To the hosts").await;
    let path = format!("{}/host?id={}", daemon.url(), agent.host());
    browser.goto(&path).await;
    browser.shows("Not scanned yet").await;
    browser.click_text("^Scan now").await;
    fill(&mut browser, "^Profile", "strict").await;
    browser.click("Run", "document.querySelector('dialog button[type=submit]')").await;
    browser.until("the scan to end", "document.querySelector('[data-job-state=succeeded]')").await;

    // The host's page has score and trend, in words, too.
    browser.goto(&path).await;
    let trend = "document.querySelector('.trend svg[role=img]')?.getAttribute('aria-label')";
    let trend = browser.until("the trend", trend).await;
    assert!(trend.as_str().is_some_and(|words| words.starts_with("One scan, with")), "{trend}");
    fits(&mut browser, "the host's page").await;
    browser.click_text("^See them").await;

    // The scan: every rule, what failed first; filters are in the address.
    let rules = "document.querySelectorAll('.rules > li').length";
    let all = browser.until("the rules", rules).await;
    let found = admin.get(&format!("/api/v1/hosts/{}/compliance", agent.host())).await;
    let latest = found.expect(200).json()["latest"].clone();
    let scan = latest["id"].as_str().expect("an id").to_owned();
    let kept = admin.get(&format!("/api/v1/compliance/scans/{scan}?limit=500")).await;
    let kept = kept.expect(200).json();
    let kept = kept["items"].as_array().expect("rules");
    assert_eq!(all, kept.len());
    let passed = kept.iter().filter(|rule| rule["result"] == "pass").count();
    choose(&mut browser, "Result", "pass").await;
    browser.until("those that passed", &format!("{rules} === {passed}")).await;
    assert_eq!(browser.eval("new URL(location).searchParams.get('result')").await, "pass");
    let first = kept.iter().find(|rule| rule["result"] == "pass").expect("one that passed");
    let title = first["title"].as_str().expect("a title");
    fill(&mut browser, "^Text", title).await;
    browser.until("the one rule", &format!("{rules} === 1")).await;
    fits(&mut browser, "the scan").await;
    // It opens by the keyboard, and leads to the rule on all hosts.
    browser.eval("document.querySelector('.rule summary').focus()").await;
    browser.keys("\r").await;
    browser.until("the rule to be open", "document.querySelector('.rule').open").await;
    browser.shows(first["rationale"].as_str().expect("a reason")).await;
    browser.click_text("^This rule on all hosts").await;
    browser
        .until("the rule", &format!("document.querySelector('h1')?.innerText === {}", json!(title)))
        .await;
    browser.shows("Passed on 1").await;
    fits(&mut browser, "the rule").await;

    // The fleet has it; files can be fetched by the page's own login.
    browser.click_text("^Compliance").await;
    browser.shows("1 of 1 hosts").await;
    let name = format!(
        "[...document.querySelectorAll('tbody th')].some(e => e.innerText.trim() === {})",
        json!(format!("harbour {MARKUP}"))
    );
    browser.until("the host, as text", &name).await;
    assert_eq!(browser.eval("document.images.length").await, 0);
    fits(&mut browser, "the fleet").await;
    let fetched = "fetch(document.querySelector('a[download]').href).then(a => a.text())";
    let csv = browser.eval(fetched).await;
    assert!(csv.as_str().is_some_and(|csv| csv.contains("harbour")), "{csv}");
    let link = format!("{}/scan?id={scan}", daemon.url());
    browser.goto(&link).await;
    let report = "(() => { const a = [...document.querySelectorAll('a[download]')]\
                  .find(a => a.innerText === 'HTML report'); \
                  return a && fetch(a.href).then(a => a.text()) })()";
    let report = browser.until("the report", report).await;
    let report = report.as_str().expect("a page");
    assert!(report.contains("harbour &lt;img") && !report.contains("<img"), "{report}");
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn a_person_has_hosts_scanned_every_night() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let agent = host(&daemon, &admin).await;
    let mut browser = console::browser(&daemon.url(), daemon.ca()).await;
    console::login(&mut browser, daemon.password()).await;
    browser.click_text("^Compliance").await;
    browser.click_text("^Schedules").await;
    browser.shows("Nothing is scheduled").await;
    browser.click_text("^\\s*Add schedule").await;
    fill(&mut browser, "^Name", "Nightly").await;
    fill(&mut browser, "^Hosts that have", "db").await;
    fill(&mut browser, "^Profile", "basic").await;
    // The whole field is replaced, as a person does it.
    let spread = "[...document.querySelectorAll('dialog label')]\
                  .find(e => /^Spread/.test(e.innerText)).querySelector('input')";
    browser.eval(&format!("{spread}.select(); {spread}.focus()")).await;
    browser.keys("0s").await;
    browser.click("Add schedule", "document.querySelector('dialog button[type=submit]')").await;
    browser.shows("every 1d").await;
    browser.shows("1 host").await;
    fits(&mut browser, "the schedules").await;
    // It is scanned without anybody's further doing.
    let path = format!("/api/v1/hosts/{}/compliance", agent.host());
    gangplank_tests::eventually::until(
        gangplank_tests::eventually::patience(),
        "the scheduled scan",
        || async {
            let found = admin.get(&path).await.expect(200).json();
            (found["latest"] != Value::Null).then_some(())
        },
    )
    .await;

    browser.click_text("Change Nightly").await;
    browser
        .until("the form", "document.querySelector('dialog input[name=labels]')?.value === 'db'")
        .await;
    fill(&mut browser, "^Name", " and daily").await;
    browser.click("Save", "document.querySelector('dialog button[type=submit]')").await;
    browser.shows("Nightly and daily").await;
    browser.click_text("Switch off Nightly and daily").await;
    browser.shows("switched off").await;
    let schedules = admin.get("/api/v1/compliance/schedules").await.expect(200).json();
    let kept = &schedules["items"][0];
    assert_eq!((&kept["enabled"], &kept["every"]), (&json!(false), &json!("1d")), "{kept}");
    browser.click_text("Delete Nightly and daily").await;
    browser.click_text("^Delete this schedule").await;
    browser.shows("Nothing is scheduled").await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}
