//! Enrolment: the token in, a configuration out, and nothing in between that leaks or is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use gangplank_agent::config::{Config, Environment};
use gangplank_agent::dial::Dialer;
use gangplank_agent::enroll::{
    EnrollError, Registered, allow_updates, register, token, write_config,
};
use gangplank_agent::facts;
use gangplank_certs::ClientTrust;
use gangplank_proto::server_url::ServerUrl;

use crate::daemon::{Daemon, config, open_policy};

const CREATED: &str = r#"{"device_id":"d","host_id":"h","api_id":"gp_0123456789abcdef","api_key":"kkkk","device_key":"gp_0123456789abcdef.kkkk"}"#;

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// Registers at a daemon that gives this answer; answers what it was asked.
async fn enrol(answer: &str) -> (Result<Registered, EnrollError>, Option<String>) {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, ca) = Daemon::tls(directory.path(), &["localhost"]).await;
    let trust = ClientTrust::only(ca.as_bytes()).unwrap();
    let config = config(daemon.url(), trust, open_policy());
    let dialer = Dialer::new(&config.server).unwrap();
    let introduction = facts::introduction(&config.local, &facts::own_account());
    let token = token("token-of-the-test\n").unwrap();
    tokio::join!(register(&dialer, &token, &introduction, None, false), daemon.answer(answer))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_introduces_itself_and_gets_its_credential() {
    let (registered, asked) = enrol(&http("201 Created", "", CREATED)).await;
    let registered = registered.unwrap();
    assert_eq!(registered.api_id.as_str(), "gp_0123456789abcdef");
    assert_eq!(registered.api_key.expose(), "kkkk");
    assert!(!format!("{registered:?}").contains("kkkk"));
    let asked = asked.unwrap();
    assert!(asked.starts_with("POST /api/v1/devices/register HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_lowercase().contains("\r\nx-provisioning-key: token-of-the-test\r\n"));
    let body: serde_json::Value =
        serde_json::from_str(asked.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    for fact in ["hostname", "os", "kernel", "arch", "agent_version"] {
        assert!(!body[fact].as_str().unwrap().is_empty(), "{fact}");
    }
    assert!(body["ssh_host_keys"].is_array() && body["machine_id"].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_is_explained() {
    for (status, headers, body, text) in [
        ("401 Unauthorized", "", "{}", "make a new one"),
        ("403 Forbidden", "", r#"{"error":"no more hosts"}"#, "(no more hosts)"),
        ("404 Not Found", "", "<html>", "check the URL"),
        ("409 Conflict", "", "{}", "remove it there first"),
        ("429 Too Many Requests", "Retry-After: 7\r\n", "{}", "again in 7 s"),
        ("500 Internal Server Error", "", r#"{"error":"\u001b[31moops"}"#, "answered 500"),
        ("201 Created", "", "{}", "can't be understood"),
    ] {
        let (refused, _) = enrol(&http(status, headers, body)).await;
        let said = refused.unwrap_err().to_string();
        assert!(said.contains(text), "{status}: {said}");
        assert!(!said.contains("token-of-the-test") && !said.contains('\u{1b}'), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_is_not_sent_in_the_clear_or_to_a_stranger() {
    let introduction = facts::introduction(
        &config(ServerUrl::parse("a").unwrap(), ClientTrust::system(), open_policy()).local,
        &facts::own_account(),
    );
    let token = token("token-of-the-test").unwrap();
    let daemon = Daemon::plain().await;
    let plain = config(daemon.url(), ClientTrust::system(), open_policy());
    let dialer = Dialer::new(&plain.server).unwrap();
    let refused = register(&dialer, &token, &introduction, None, false).await.unwrap_err();
    assert!(matches!(refused, EnrollError::Cleartext(_)), "{refused}");

    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (stranger, _) = Daemon::tls(own.path(), &["localhost"]).await;
    let (_, ca) = Daemon::tls(other.path(), &["localhost"]).await;
    let trust = ClientTrust::only(ca.as_bytes()).unwrap();
    let dialer = Dialer::new(&config(stranger.url(), trust, open_policy()).server).unwrap();
    let registering = register(&dialer, &token, &introduction, None, false);
    let (refused, asked) =
        tokio::join!(registering, stranger.answer("HTTP/1.1 201 Created\r\n\r\n"));
    assert!(matches!(refused, Err(EnrollError::Dial(_))), "{refused:?}");
    assert_eq!(asked, None);
}

#[test]
fn a_token_is_one_word() {
    assert_eq!(token(" gp_token \r\n").unwrap().expose(), "gp_token");
    for wrong in ["", "\n", "two words", "ü", &"x".repeat(513)] {
        assert!(matches!(token(wrong), Err(EnrollError::Token)), "{wrong:?}");
    }
}

#[test]
fn the_configuration_keeps_what_people_wrote() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.toml");
    let now = time::OffsetDateTime::now_utc();
    let names = gangplank_certs::Names::parse(["localhost"]).unwrap();
    let ca = directory.path().join("ca");
    let ca = gangplank_certs::Authority::load_or_create(&ca, &names, now).unwrap();
    let registered: Registered = serde_json::from_str(CREATED).unwrap();
    let url = ServerUrl::parse("https://localhost:8443").unwrap();
    let write = |ca: Option<&str>| write_config(&path, &url, ca, false, &registered).unwrap();

    // Empty, as an installation leaves it.
    fs::write(&path, "").unwrap();
    write(Some(ca.pem()));
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "{mode:o}");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("ca = \"agent.ca.pem\"") && text.contains("\n[policy]\n"), "{text}");
    let config = Config::load(&path, &Environment::default()).unwrap();
    assert_eq!(config.server.url, url);
    assert_eq!(config.credentials.api_key.expose(), "kkkk");
    assert_eq!(config.local.policy, gangplank_agent::policy::Policy::default());

    // Enrolled again somewhere else, after a person changed the policy.
    let text = text.replace("terminal = [\"ssh\"]", "terminal = [\"pty\"] # for Ada");
    fs::write(&path, text).unwrap();
    write(None);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("terminal = [\"pty\"] # for Ada") && !text.contains("ca ="), "{text}");
    assert_eq!(text.matches("[server]").count(), 1, "{text}");
    let config = Config::load(&path, &Environment::default()).unwrap();
    assert!(config.local.policy.pty && !config.local.policy.ssh);
    assert!(!config.local.policy.update && config.local.keys.is_empty());

    // Whose releases it may run comes in without a word of the rest being lost.
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    for _ in 0..2 {
        allow_updates(&path, &[pair.pk.to_base64()]).unwrap();
    }
    let now = fs::read_to_string(&path).unwrap();
    assert!(now.contains("terminal = [\"pty\"] # for Ada"), "{now}");
    assert_eq!(now.matches("[update]").count(), 1, "{now}");
    let config = Config::load(&path, &Environment::default()).unwrap();
    assert!(config.local.policy.update && !config.local.keys.is_empty());
    // What isn't a key is a problem of the file.
    fs::write(&path, now.replace("keys = [\"RW", "keys = [\"XX")).unwrap();
    let problems = Config::load(&path, &Environment::default()).unwrap_err().problems;
    assert_eq!(problems[0].key, "update.keys", "{problems:?}");
}
