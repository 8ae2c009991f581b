//! Host keys are always checked, before any credential is sent.

use std::fs;

use gangplank_proto::channel::Channel;
use gangplank_tests::{
    agent::{Agent, Policy},
    daemon::Daemon,
    eventually,
    fleet::Fleet,
    http::Client,
    page::Page,
    sshd::Sshd,
};
use serde_json::{Value, json};

async fn keys(client: &Client, host: &str) -> Vec<Value> {
    let answer = client.get(&format!("/api/v1/hosts/{host}/host-keys")).await.expect(200).json();
    answer["items"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn an_unknown_key_is_asked_once_and_a_changed_one_gets_no_password() {
    let daemon = Daemon::start();
    let sshd = Sshd::start();
    let admin = daemon.admin().await;
    let host = admin.add_host("pinned", Some(("127.0.0.1", sshd.port()))).await;
    let host = host["id"].as_str().expect("an id");
    let login = json!({
        "username": sshd.account().name, "password": sshd.account().password,
    });

    let mut page = Page::open(&admin, host).await;
    let unknown = page.refused(login.clone()).await;
    assert_eq!(unknown["code"], "host_key_unknown");
    assert!(unknown["key_type"].is_string(), "{unknown}");
    let fingerprint = unknown["fingerprint"].as_str().expect("a fingerprint").to_owned();
    assert!(sshd.fingerprints().contains(&fingerprint), "{fingerprint}");
    assert!(keys(&admin, host).await.is_empty(), "asking pins nothing");

    let mut wrong = login.clone();
    wrong["accept_host_key"] = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into();
    assert_eq!(page.refused(wrong).await["code"], "host_key_unknown");
    assert!(!sshd.log().contains("password"), "no password before the key is known");

    let mut right = login.clone();
    right["accept_host_key"] = fingerprint.clone().into();
    assert_eq!(page.connected(right).await["host_key"], "accepted");
    page.proves_a_shell().await;
    let known = keys(&admin, host).await;
    assert_eq!(known.len(), 1);
    assert_eq!(known[0]["fingerprint"], fingerprint);
    assert_eq!(known[0]["source"], "accepted");
    assert_eq!(known[0]["target"], sshd.target());

    let mut page = Page::open(&admin, host).await;
    assert_eq!(page.connected(login.clone()).await["host_key"], "pinned");

    sshd.change_host_key();
    let before = sshd.log();
    let mut page = Page::open(&admin, host).await;
    let mut connect = login.clone();
    let changed = page.refused(connect.clone()).await;
    assert_eq!(changed["code"], "host_key_changed");
    let other = changed["fingerprint"].clone();
    assert_ne!(other, fingerprint);
    // A changed key can't be accepted away in passing.
    connect["accept_host_key"] = other.clone();
    assert_eq!(page.refused(connect.clone()).await["code"], "host_key_changed");
    let log = sshd.log();
    let since = log.strip_prefix(&before).expect("a log only grows");
    for attempt in ["Failed", "Accepted", "Postponed", "userauth"] {
        assert!(!since.contains(attempt), "an attempt to log in:\n{since}");
    }
    let audit = admin.get("/api/v1/audit?limit=200").await.expect(200).json();
    assert!(audit.to_string().contains("host_key"), "a changed key is on record");
    let mut alerts = admin.listen(Channel::Alerts, "cursor=0").await;
    let id = format!("host_key_changed:{host}:{}", other.as_str().expect("a fingerprint"));
    while alerts.next_json().await["id"] != id.as_str() {}

    let id = known[0]["id"].as_str().expect("an id");
    admin.delete(&format!("/api/v1/hosts/{host}/host-keys/{id}")).await.expect(204);
    assert!(keys(&admin, host).await.is_empty());
    assert_eq!(page.connected(connect).await["host_key"], "accepted");
    page.proves_a_shell().await;
}

#[tokio::test]
async fn what_the_agent_attests_needs_no_question() {
    let fleet = Fleet::start().await;
    let admin = fleet.admin().await;
    // The agent of a host whose sshd has its files in the server's own directory.
    let agent = Agent::enrol_with(
        &fleet.daemon,
        &admin,
        &Policy::everything(&format!("localhost:{}", fleet.sshd.port())),
        |config| {
            let directory = fleet.sshd.directory();
            fs::copy(directory.join("sshd_host.conf"), directory.join("sshd_config"))
                .expect("our own directory");
            let mut host = toml::Table::new();
            let text = directory.to_str().expect("UTF-8").to_owned();
            host.insert("ssh_dir".to_owned(), toml::Value::String(text));
            config.insert("host".to_owned(), toml::Value::Table(host));
        },
    )
    .await;
    let attested = eventually::until(eventually::patience(), "the agent's report", || async {
        Some(keys(&admin, agent.host()).await).filter(|keys| !keys.is_empty())
    })
    .await;
    let fingerprints: Vec<&str> =
        attested.iter().filter_map(|key| key["fingerprint"].as_str()).collect();
    for fingerprint in fleet.sshd.fingerprints() {
        assert!(fingerprints.contains(&fingerprint.as_str()), "{attested:?}");
    }
    assert!(attested.iter().all(|key| key["source"] == "attested"), "{attested:?}");

    let mut page = Page::open(&admin, agent.host()).await;
    let mut connect = fleet.proxy();
    connect["proxy_host"] = "localhost".into();
    assert_eq!(page.connected(connect.clone()).await["host_key"], "attested");
    page.proves_a_shell().await;

    fleet.sshd.change_host_key();
    let mut page = Page::open(&admin, agent.host()).await;
    assert_eq!(page.refused(connect).await["code"], "host_key_changed");
}

#[tokio::test]
async fn a_changed_key_behind_an_agent_gets_no_password_either() {
    let fleet = Fleet::start().await;
    let admin = fleet.admin().await;
    let mut page = Page::open(&admin, fleet.host()).await;
    page.accepted(fleet.proxy()).await;
    fleet.sshd.change_host_key();
    let before = fleet.sshd.log();
    let mut page = Page::open(&admin, fleet.host()).await;
    assert_eq!(page.refused(fleet.proxy()).await["code"], "host_key_changed");
    let log = fleet.sshd.log();
    let since = log.strip_prefix(&before).expect("a log only grows");
    for attempt in ["Failed", "Accepted", "Postponed"] {
        assert!(!since.contains(attempt), "an attempt to log in:\n{since}");
    }
}
