//! How a host comes in: provisioning keys, registration, acceptance, the install script.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command, sync::LazyLock};

use gangplank_tests::{agent, daemon::Daemon, http::Answer, process, program, scratch};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

async fn token(body: Value) -> String {
    let admin = DAEMON.admin().await;
    let made = admin.post("/api/v1/enrolment-tokens", body).await.expect(201).json();
    made["token"].as_str().expect("a token").to_owned()
}

async fn register(token: &str) -> Answer {
    let client = DAEMON.client().with_origin(None).with_header("X-Provisioning-Key", token);
    client.post("/api/v1/devices/register", json!({ "hostname": "new-host" })).await
}

#[tokio::test]
async fn a_key_is_good_for_as_many_hosts_as_it_says() {
    let token = token(json!({ "uses": 2 })).await;
    let first = register(&token).await.expect(201).json();
    for key in ["device_id", "host_id", "api_id", "api_key", "device_key"] {
        assert!(first[key].is_string(), "{first}");
    }
    let api_id = first["api_id"].as_str().expect("text");
    assert!(api_id.starts_with("gp_") && api_id.len() == 19, "{api_id}");
    let device_key = format!("{api_id}.{}", first["api_key"].as_str().expect("text"));
    assert_eq!(first["device_key"], device_key);
    register(&token).await.expect(201);
    register(&token).await.refused(401);
    register("no-such-key").await.refused(401);
    register("").await.refused(401);
    assert!(!DAEMON.log().contains(&token), "a provisioning key is in no log");
}

#[tokio::test]
async fn a_key_that_wants_approval_leaves_the_host_pending() {
    let admin = DAEMON.admin().await;
    let token = token(json!({ "approve": true })).await;
    let host = register(&token).await.expect(201).json();
    let id = host["host_id"].as_str().expect("an id");
    assert_eq!(admin.status(id).await["state"], "pending");
    let ticket = admin.post("/api/v1/auth/ssh-ticket", json!({ "hostId": id })).await;
    if ticket.status == 200 {
        let ticket = ticket.json()["ticket"].as_str().expect("a ticket").to_owned();
        let path = gangplank_tests::page::path(id, &ticket);
        if let Ok(socket) = admin.upgrade(&path).protocol("gangplank.terminal.v1").open().await {
            let mut page = gangplank_tests::page::Page::over(socket);
            let refused = page.refused(json!({ "connection_mode": "pty" })).await;
            assert!(
                ["agent_offline", "not_allowed"].contains(&refused["code"].as_str().unwrap_or(""))
            );
        }
    }
    admin.post(&format!("/api/v1/hosts/{id}/accept"), json!({})).await.expect(200);
    assert_eq!(admin.status(id).await["state"], "offline");
}

#[tokio::test]
async fn an_expired_key_is_worth_nothing() {
    let token = token(json!({ "expires": "1s" })).await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    register(&token).await.refused(401);
}

#[test]
fn enrolling_writes_a_file_that_only_its_owner_reads() {
    let directory = scratch::directory();
    let config = directory.join("agent.toml");
    let token = DAEMON.token();
    let enrolled = agent::enrol(&DAEMON.url(), DAEMON.ca(), &config, &token);
    assert_eq!(enrolled.code, Some(0), "{enrolled:?}");
    let mode = fs::metadata(&config).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "{mode:o}");
    let text = fs::read_to_string(&config).expect("a file");
    assert!(!text.contains(&token));
    assert!(!format!("{enrolled:?}").contains(&token), "the token is not printed");

    // The same token again, and a file that is there already.
    let again = agent::enrol(&DAEMON.url(), DAEMON.ca(), &directory.join("other.toml"), &token);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(!directory.join("other.toml").exists(), "nothing is half done");
}

#[test]
fn an_agent_believes_no_other_ca() {
    let directory = scratch::directory();
    let other = Daemon::start();
    let token = DAEMON.token();
    let config = directory.join("agent.toml");
    let refused = agent::enrol(&DAEMON.url(), other.ca(), &config, &token);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(!config.exists());
    // The token never left: it is still good.
    let enrolled = agent::enrol(&DAEMON.url(), DAEMON.ca(), &config, &token);
    assert_eq!(enrolled.code, Some(0), "{enrolled:?}");
}

#[test]
fn an_agent_s_bad_configuration_has_its_own_exit_code() {
    let directory = scratch::directory();
    let config = directory.join("agent.toml");
    let enrolled = agent::enrol(&DAEMON.url(), DAEMON.ca(), &config, &DAEMON.token());
    assert_eq!(enrolled.code, Some(0), "{enrolled:?}");
    let good = fs::read_to_string(&config).expect("a file");
    let run = |text: &str, environment: &[(&str, &str)]| {
        scratch::secret_file(&config, text);
        let mut command = Command::new(program::gangplank_agent());
        command.arg("run").arg("--config").arg(&config).envs(environment.iter().copied());
        process::run(&command)
    };
    let unknown = run(&format!("no_such_key = 1\n{good}"), &[]);
    assert_eq!(unknown.code, Some(78), "{unknown:?}");
    assert!(unknown.stderr.contains("no_such_key"), "{unknown:?}");
    let insecure = run(
        &good,
        &[("GANGPLANK_ENV", "production"), ("GANGPLANK_SERVER__SKIP_SSL_VERIFY", "true")],
    );
    assert_eq!(insecure.code, Some(78), "{insecure:?}");
    assert!(insecure.stderr.contains("skip_ssl_verify"), "{insecure:?}");
    let missing = Command::new(program::gangplank_agent())
        .args(["run", "--config", "/no/such/agent.toml"])
        .status()
        .expect("a run");
    assert_eq!(missing.code(), Some(78));
}

#[tokio::test]
async fn the_install_script_is_plain_shell_without_secrets() {
    let admin = DAEMON.admin().await;
    let made = admin.post("/api/v1/enrolment-tokens", json!({})).await.expect(201).json();
    let token = made["token"].as_str().expect("a token");
    let install = &made["install"];
    for key in ["url", "ca_fingerprint", "command", "manual"] {
        assert!(install[key].as_str().is_some_and(|text| !text.is_empty()), "{install}");
    }
    let script = admin.clone().anonymous().get("/install.sh").await.expect(200);
    let text = script.text();
    assert!(text.starts_with("#!/bin/sh"), "{}", &text[..40]);
    assert!(text.contains(DAEMON.authority()));
    assert!(text.contains("BEGIN CERTIFICATE"));
    for secret in [token, DAEMON.password(), "PRIVATE KEY"] {
        assert!(!text.contains(secret));
    }
    let file = scratch::directory().join("install.sh");
    fs::write(&file, &text).expect("our own directory");
    for shell in ["sh", "dash", "bash"] {
        process::succeed(Command::new(program::installed(shell)).arg("-n").arg(&file));
    }
    let dry = process::run(Command::new(program::installed("dash")).arg(&file).arg("--dry-run"));
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(!std::path::Path::new("/etc/gangplank/agent.toml").exists());
}

#[tokio::test]
async fn the_agent_can_be_downloaded_and_its_hash_is_right() {
    use sha2::{Digest as _, Sha256};
    let client = DAEMON.client().anonymous();
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let answer = client.get(&format!("/api/v1/agent/download?target={target}")).await.expect(200);
    assert!(answer.body.starts_with(b"\x7fELF"));
    let digest = hex::encode(Sha256::digest(&answer.body));
    let script = client.get("/install.sh").await.expect(200).text();
    let told =
        answer.headers.values().any(|value| value.to_str().is_ok_and(|v| v.contains(&digest)));
    assert!(told || script.contains(&digest), "nobody says the hash {digest}");
    for bad in ["../../etc/passwd", "x", "", "%2e%2e", "riscv64gc-unknown-linux-gnu"] {
        let answer = client.get(&format!("/api/v1/agent/download?target={bad}")).await;
        assert!([400, 404].contains(&answer.status), "{bad}: {}", answer.status);
    }
}

#[tokio::test]
async fn the_ca_is_there_for_whoever_wants_to_trust_it() {
    let client = DAEMON.client().anonymous();
    let pem = client.get("/ca.pem").await.expect(200).text();
    assert_eq!(pem.trim(), fs::read_to_string(DAEMON.ca()).expect("a file").trim());
    let trust = client.get("/api/v1/trust").await.expect(200).json();
    assert_eq!(trust["ca_pem"].as_str().map(str::trim), Some(pem.trim()));
    assert!(trust["ca_fingerprint"].as_str().is_some_and(|print| print.len() == 95), "{trust}");
    assert!(trust["names"].as_array().is_some_and(|names| !names.is_empty()), "{trust}");
}
