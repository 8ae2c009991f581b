//! No secret in any log, answer or record, whatever was done with it.

use std::{fs, path::Path, time::Duration};

use gangplank_tests::{account::canary, fleet::Fleet, page::Page};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

#[tokio::test]
async fn nothing_that_was_secret_is_found_anywhere() {
    let fleet = Fleet::with(&[("log.level", "trace")]).await;
    let admin = fleet.admin().await;
    let (locked, passphrase) = fleet.sshd.locked_key();
    let mut secrets = vec![
        fleet.daemon.password().to_owned(),
        fleet.sshd.account().password.clone(),
        passphrase.to_owned(),
        canary("typed"),
        canary("wrong"),
    ];
    let typed = secrets[3].clone();
    let wrong = secrets[4].clone();

    // A cookie, a token, a ticket, provisioning keys, agents' keys.
    secrets.extend(admin.cookie().and_then(|cookie| cookie.split('=').nth(1)).map(str::to_owned));
    let login = json!({ "username": "admin", "password": fleet.daemon.password() });
    let token = admin.clone().anonymous().post("/api/v1/auth/token", login).await.expect(200);
    secrets.extend(token.json()["access_token"].as_str().map(str::to_owned));
    let ticket = admin.ticket(fleet.host()).await;
    admin.upgrade(&gangplank_tests::page::path(fleet.host(), &ticket)).open().await.expect("101");
    secrets.push(ticket);
    secrets.push(fleet.daemon.token());
    let made = admin.post("/api/v1/enrolment-tokens", json!({})).await.expect(201).json();
    secrets.extend(made["token"].as_str().map(str::to_owned));
    let host = admin.add_host("secrets", None).await;
    secrets.extend(host["api_key"].as_str().map(str::to_owned));
    let config = gangplank_tests::agent::read(fleet.agent.config());
    secrets.extend(config["credentials"]["api_key"].as_str().map(str::to_owned));

    // All ways of logging in, right and wrong, in all modes.
    let mut key = fleet.direct();
    key["password"] = Value::Null;
    key["privateKey"] = locked.clone().into();
    key["passphrase"] = passphrase.into();
    let mut key_by_agent = fleet.proxy();
    key_by_agent["password"] = Value::Null;
    key_by_agent["privateKey"] = locked.clone().into();
    key_by_agent["passphrase"] = passphrase.into();
    for mut connect in [fleet.direct(), fleet.proxy(), fleet.pty(), key, key_by_agent] {
        connect["accept_host_key"] = fleet.sshd.fingerprints()[0].clone().into();
        if connect["password"].is_string() {
            let mut bad = connect.clone();
            bad["password"] = wrong.clone().into();
            let mut page = Page::open(&admin, fleet.host()).await;
            page.refused(bad).await;
        }
        let mut page = Page::open(&admin, fleet.host()).await;
        page.connected(connect).await;
        page.keys("echo re\"\"ady; read -s x; echo do\"\"ne\r").await;
        page.shows("ready").await;
        page.keys(&format!("{typed}\r")).await;
        page.shows("done").await;
        page.socket().text("{").await;
    }
    let guest = admin.clone().anonymous().from_address(44);
    guest.try_login("admin", &wrong).await.refused(401);
    guest.get(&format!("/api/v1/hosts?token={wrong}")).await.refused(401);
    guest.clone().with_bearer(&wrong).get("/api/v1/hosts").await.refused(401);

    // The middle of the locked key: no line of it may show up.
    let middle = locked.lines().nth(2).expect("a key has lines").to_owned();
    secrets.push(middle);

    let mut shown = String::new();
    for path in ["hosts", "sessions", "users", "audit", "openapi.json", "auth/me"] {
        let answer = admin.get(&format!("/api/v1/{path}")).await.expect(200);
        shown.push_str(&answer.text());
    }
    fleet.daemon.signal(Signal::SIGTERM);
    fleet.daemon.exit_code(Duration::from_secs(15));
    let log = fleet.daemon.log();
    // The ready line is the one place that shows the first password.
    let log: Vec<&str> = log.lines().filter(|line| !line.contains("\"ready\"")).collect();
    let log = log.join("\n");
    let agent_log = fleet.agent.log();
    for secret in &secrets {
        assert!(secret.len() >= 16, "{secret:?} is too short to be told from other text");
        for (place, text) in [("log", &log), ("agent's log", &agent_log), ("answers", &shown)] {
            let line = text.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "a secret in the {place}");
        }
    }
    // The store keeps hashes. The agent's key, its own keys and tickets are in no file in clear.
    for secret in &secrets {
        let found = find(fleet.daemon.directory(), secret.as_bytes());
        assert_eq!(found, None, "a secret in a file of the daemon");
    }
}

/// The first file below a directory that contains some bytes.
fn find(directory: &Path, wanted: &[u8]) -> Option<std::path::PathBuf> {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let found = if path.is_dir() {
            find(&path, wanted)
        } else {
            let bytes = fs::read(&path).unwrap_or_default();
            bytes.windows(wanted.len()).any(|window| window == wanted).then_some(path)
        };
        if found.is_some() {
            return found;
        }
    }
    None
}
