//! The console by keyboard, with a screen reader, and with eyes that need contrast.

use gangplank_tests::{browser::Browser, console, daemon::Daemon, inbox::alert};
use serde_json::json;

/// Pages that need nothing to be named in their address.
const PAGES: [&str; 21] = [
    "hosts",
    "jobs",
    "compliance",
    "schedules",
    "feed?channel=alerts",
    "alerts",
    "investigate",
    "sessions",
    "approvals",
    "policies",
    "users",
    "security",
    "inspector",
    "roles",
    "tokens",
    "tenants",
    "webhooks",
    "audit",
    "account",
    "trust",
    "terminal",
];

/// JavaScript for what can be used and has no name that could be read out.
const NAMELESS: &str = "[...document.querySelectorAll('button, a[href], input, select, textarea, \
    summary, [role=tab], [tabindex=\"0\"]')]\
    .filter(e => e.checkVisibility() && !e.closest('.xterm'))\
    .filter(e => ![e.getAttribute('aria-label'), e.innerText, e.title, \
    ...[...(e.labels || [])].map(l => l.innerText), \
    document.getElementById(e.getAttribute('aria-labelledby') || ' ')?.innerText]\
    .some(name => (name || '').trim()))\
    .map(e => e.outerHTML)";

/// JavaScript for text with less contrast to what it stands on than 4.5:1, or 3:1 where it is large.
const FAINT: &str = "(() => {
    const parts = text => {
        const numbers = text.match(/[\\d.]+/g).map(Number);
        const unit = text.startsWith('color(') ? 255 : 1;
        return [...numbers.slice(0, 3).map(n => n * unit), numbers[3] ?? 1];
    };
    const over = ([r, g, b, a], below) => [r, g, b].map((n, i) => n * a + below[i] * (1 - a));
    const light = color => {
        const [r, g, b] = color.map(n => n / 255)
            .map(n => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = e => e === null ? [255, 255, 255]
        : over(parts(getComputedStyle(e).backgroundColor), ground(e.parentElement));
    const faint = [];
    for (const e of document.querySelectorAll('body *')) {
        const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
        if (!own || !e.checkVisibility() || e.closest('.xterm, svg, option, :disabled')) continue;
        const style = getComputedStyle(e);
        const below = ground(e);
        const [a, b] = [light(over(parts(style.color), below)), light(below)];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.7 && Number(style.fontWeight) >= 700);
        if (contrast < (large ? 3 : 4.5)) faint.push(contrast.toFixed(2) + ' ' + e.outerHTML);
    }
    return faint;
})()";

async fn open(daemon: &Daemon) -> Browser {
    let mut browser = console::browser(&daemon.url(), daemon.ca()).await;
    console::login(&mut browser, daemon.password()).await;
    browser
}

#[tokio::test]
async fn every_page_has_names_for_everything_and_contrast_in_both_themes() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    admin.add_host("harbour", Some(("192.0.2.7", 22))).await;
    admin.tell("alerts", alert("a1", "A new listener")).await;
    let mut browser = open(&daemon).await;
    for scheme in ["dark", "light"] {
        browser.prefers(scheme).await;
        for page in PAGES {
            browser.goto(&format!("{}/{page}", daemon.url())).await;
            let there = "document.querySelector('main :is(h1, h2)') \
                         && !document.querySelector('.loading')";
            browser.until(page, there).await;
            for (what, found) in [("nameless", NAMELESS), ("faint", FAINT)] {
                assert_eq!(browser.eval(found).await, json!([]), "{page}, {scheme}: {what}");
            }
        }
    }
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn a_person_gets_about_without_a_mouse() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    admin.add_host("harbour", Some(("192.0.2.7", 22))).await;
    let mut browser = open(&daemon).await;
    browser.goto(&format!("{}/users", daemon.url())).await;
    browser.shows("Add user").await;
    // The first step of all leads past the bar.
    browser.keys("\t").await;
    let focus = "document.activeElement.innerText.trim()";
    assert_eq!(browser.eval(focus).await, "To the content");
    let outline = "getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.eval(outline).await, "solid", "the focus is seen");
    browser.keys("\r").await;
    browser.until("the content", "document.activeElement.id === 'main'").await;
    browser.keys("\t").await;
    assert_eq!(browser.eval(focus).await, "Add user");
    // A dialog keeps the focus, and gives it back.
    browser.keys("\r").await;
    browser.until("its first field", "document.activeElement.name === 'username'").await;
    browser.keys("\u{1b}").await;
    let back = format!("!document.querySelector('dialog') && {focus} === 'Add user'");
    browser.until("the button again", &back).await;
    // The keys are told on every page, and Escape puts them away.
    browser.keys("?").await;
    browser.shows("Everything can be reached and used without a mouse").await;
    browser.keys("\u{1b}").await;
    browser.until("the page again", &back).await;
    // Who follows a link that is gone with its page goes on in the next one.
    browser.goto(&format!("{}/hosts", daemon.url())).await;
    browser.shows("harbour").await;
    let link = "[...document.querySelectorAll('.hosts a')].find(e => e.innerText === 'harbour')";
    browser.eval(&format!("{link}.focus()")).await;
    browser.keys("\r").await;
    browser.until("its page", "document.querySelector('h1')?.innerText === 'harbour'").await;
    browser.until("the content", "document.activeElement.id === 'main'").await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}
