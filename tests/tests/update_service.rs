//! Updates of an agent that a real service manager runs, by the unit that is shipped.

use std::fs;

use gangplank_tests::{
    agent::{self, Policy},
    daemon::Daemon,
    eventually::{self, eventually},
    http::Client,
    page::Page,
    program,
    release::{Signer, agent_program},
    service_manager::ServiceManager,
    site::BASE,
    sshd::Sshd,
};
use serde_json::{Value, json};

/// Enrols the agent of the unit and starts it; answers its host.
async fn enrol(
    manager: &ServiceManager,
    daemon: &Daemon,
    admin: &Client,
    key: &str,
    policy: &Policy,
) -> String {
    fs::copy(daemon.ca(), manager.root().join("tmp/ca.pem")).expect("a CA");
    let (url, token) = (daemon.url(), daemon.token());
    let words = [
        "/gangplank/gangplank-agent",
        "enroll",
        "--server",
        &url,
        "--token-file",
        "-",
        "--ca",
        "/tmp/ca.pem",
        "--update-key",
        key,
    ];
    let enrolled = manager.run_with_input(&words, &format!("{token}\n"));
    assert_eq!(enrolled.code, Some(0), "{enrolled:?}");
    let config = manager.root().join("etc/gangplank/agent.toml");
    let mut table = agent::read(&config);
    agent::set_policy(&mut table, policy);
    fs::write(config, table.to_string()).expect("our own file");
    let started = manager.run(&["systemctl", "start", "gangplank-agent.service"]);
    assert_eq!(started.code, Some(0), "{started:?}");
    let hosts = admin.get("/api/v1/hosts").await.expect(200).json();
    hosts["items"][0]["id"].as_str().expect("an id").to_owned()
}

/// A shell on a host behind this one.
async fn beyond(admin: &Client, gateway: &str, sshd: &Sshd) -> Page {
    let behind = admin.add_host("behind", Some(("127.0.0.1", sshd.port()))).await;
    let id = behind["id"].as_str().expect("an id");
    let change = json!({ "gateway_id": gateway });
    admin.patch(&format!("/api/v1/hosts/{id}"), change).await.expect(200);
    let mut page = Page::open(admin, id).await;
    let (name, password) = (&sshd.account().name, &sshd.account().password);
    page.accepted(json!({ "username": name, "password": password })).await;
    page.proves_a_shell().await;
    page
}

async fn runs(admin: &Client, host: &str, version: &str) {
    eventually::until(eventually::patience(), &format!("{version} to run"), || async {
        let status = admin.status(host).await;
        let runs = status["state"] == "online" && status["agent_version"] == version;
        runs.then_some(())
    })
    .await;
}

async fn update(admin: &Client, host: &str) -> Value {
    let id = admin.order(host, json!({ "command": "update_agent" })).await;
    admin.job_over(&id).await
}

#[tokio::test]
async fn the_shipped_unit_takes_an_update_and_takes_a_bad_one_back() {
    let (manager, daemon, signer) = (ServiceManager::start(), Daemon::start(), Signer::new());
    let admin = daemon.admin().await;
    let sshd = Sshd::start();
    let policy = Policy::everything(&sshd.target());
    let host = enrol(&manager, &daemon, &admin, &signer.key(), &policy).await;
    runs(&admin, &host, BASE).await;
    let mut page = beyond(&admin, &host, &sshd).await;
    let pid = manager.agent("MainPID");

    signer.release("0.2.0", &agent_program()).put(daemon.directory());
    let job = update(&admin, &host).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    runs(&admin, &host, "0.2.0").await;
    // It is the very process that the service manager started, which noticed nothing.
    assert_eq!(manager.agent("MainPID"), pid);
    assert_eq!(manager.agent("NRestarts"), "0");
    eventually("its status", || (manager.agent("StatusText") == "connected").then_some(()));
    // Nor did the shell on the other side of it.
    page.proves_a_shell().await;

    let ends = fs::read(program::installed("true")).expect("a program");
    signer.release("0.3.0", &ends).put(daemon.directory());
    let job = update(&admin, &host).await;
    assert_eq!(job["state"], "failed", "{job}");
    let error = job["error"].as_str().expect("a reason");
    assert!(error.contains("0.3.0 was tried, and 0.2.0 is back"), "{error}");
    runs(&admin, &host, "0.2.0").await;
    assert_eq!(manager.agent("ActiveState"), "active");
    assert_eq!(manager.agent("NRestarts"), "3");

    // Killed, it comes back as what it was.
    manager.run(&["systemctl", "kill", "--signal=KILL", "gangplank-agent.service"]);
    eventually("another process", || (manager.agent("NRestarts") == "4").then_some(()));
    runs(&admin, &host, "0.2.0").await;
}
