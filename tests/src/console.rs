//! What a person does at the web console, whichever test it is.

use std::path::Path;

use crate::browser::Browser;

/// JavaScript for a state of the terminal that is shown.
pub fn in_state(state: &str) -> String {
    format!(
        "[...document.querySelectorAll('[data-state={state}]')]\
         .some(e => e.getClientRects().length)"
    )
}

/// A browser at the login page, which trusts the daemon's CA.
pub async fn browser(url: &str, ca: &Path) -> Browser {
    let mut browser = Browser::start(&[ca]).await;
    browser.goto(url).await;
    browser
}

/// Logs in as the first user, up to the list of hosts.
pub async fn login(browser: &mut Browser, password: &str) {
    // The page puts the keyboard into the first field by itself.
    browser.until("the login form", "document.activeElement?.name === 'username'").await;
    browser.keys("admin\t").await;
    browser.keys(password).await;
    browser.click_text("^\\s*log in").await;
    browser.until("the host list", "document.querySelector('ul.hosts li')").await;
}

/// Opens a terminal on the first host of the list that is online.
pub async fn open_terminal(browser: &mut Browser) {
    let button = "[...document.querySelectorAll('ul.hosts li')]\
                  .find(e => e.querySelector('.presence.online'))?.querySelector('.host-actions button')";
    browser.click("Terminal of a host that is online", button).await;
    connected(browser).await;
}

/// Waits until the terminal that is shown is connected.
pub async fn connected(browser: &mut Browser) {
    browser.until("the terminal to be connected", &in_state("connected")).await;
}

/// Gives the keyboard to the terminal that is shown.
pub async fn focus_terminal(browser: &mut Browser) {
    let screen =
        "[...document.querySelectorAll('.xterm-screen')].find(e => e.getClientRects().length)";
    browser.click("the terminal", screen).await;
}
