//! The harness itself: when these fail, no other result means anything.

use std::process::Command;

use gangplank_tests::{browser::Browser, process, program, scratch, sshd::Sshd};

#[test]
fn the_ssh_server_lets_its_user_in() {
    let sshd = Sshd::start();
    let key = scratch::directory().join("key");
    scratch::secret_file(&key, &sshd.key());
    let mut ssh = Command::new(program::installed("ssh"));
    ssh.args([
        "-F",
        "none",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ]);
    ssh.args(["-o", "BatchMode=yes", "-p", &sshd.port().to_string(), "-i"]).arg(&key);
    ssh.arg(format!("{}@127.0.0.1", sshd.account().name)).arg("echo $((6*7))");
    assert_eq!(process::succeed(&ssh).trim(), "42");
    assert!(sshd.log().contains("Accepted publickey"));
    assert!(sshd.fingerprints().iter().all(|print| print.starts_with("SHA256:")));
}

#[tokio::test]
async fn the_browser_types_clicks_and_reports() {
    let mut browser = Browser::start(&[]).await;
    browser.goto("data:text/html,<title>t</title><input id=i><button>Press me</button>").await;
    browser.eval("document.querySelector('button').onclick = () => document.title = i.value").await;
    browser.click("the field", "document.querySelector('input')").await;
    browser.keys("Hi $((6*7))").await;
    browser.click_text("press").await;
    browser.until("the click", "document.title === 'Hi $((6*7))'").await;
    assert!(browser.problems().is_empty());
    browser.eval("console.error('out of order')").await;
    assert!(browser.problems()[0].contains("out of order"));
}
