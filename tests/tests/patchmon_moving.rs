//! A host that moves over from PatchMon: its agent set up by script, and shown in the console.

use std::{fs, path::Path, process::Command};

use gangplank_tests::{
    browser::by_text,
    console,
    daemon::Daemon,
    eventually,
    patchmon::{PatchmonAgent, Version},
    process::{self, Finished, Process},
    program, scratch,
};
use serde_json::json;

/// Runs a script as root of a machine whose /etc, /usr/local/bin and /run are its own, kept in a
/// directory.
fn run_on(machine: &Path, script: &str) -> Finished {
    let file = machine.join("script.sh");
    fs::write(&file, script).expect("our own directory");
    let mounts = "set -e; for part in etc usr/local/bin run; do \
                    mount --bind \"$0/$part\" \"/$part\"; done; exec sh \"$0/script.sh\"";
    let mut command = Command::new(program::installed("unshare"));
    command.args(["--mount", "--propagation", "private", "--", "sh", "-c", mounts]).arg(machine);
    process::run(&command)
}

#[tokio::test]
async fn its_script_sets_an_agent_up_and_takes_it_away() {
    let machine = scratch::directory();
    for part in ["usr/local/bin", "run"] {
        fs::create_dir_all(machine.join(part)).expect("our own directory");
    }
    process::succeed(Command::new("cp").args(["-a", "/etc"]).arg(&machine));
    // Whatever is called `patchmon-agent` says how.
    let programs = scratch::directory();
    let calls = machine.join("calls");
    let text = format!("#!/bin/sh\necho \"$* $SSL_CERT_FILE\" >> {}\n", calls.display());
    fs::write(programs.join("patchmon-agent-linux-amd64"), text).expect("our own directory");
    fs::write(programs.join("patchmon-agent.version"), "2.1.4").expect("our own directory");
    let daemon = Daemon::with(&[("patchmon.programs", programs.to_str().expect("UTF-8"))]);
    let admin = daemon.admin().await;
    let host = admin.add_host("moved", None).await;
    let agent = PatchmonAgent::connect(&daemon.client(), Version::V21, &host).await;
    let script =
        || async { agent.http().get("/api/v1/hosts/install?arch=amd64").await.expect(200).text() };

    let first = script().await;
    let done = run_on(&machine, &first);
    assert_eq!(done.code, Some(0), "{done:?}");
    let file = |name: &str| fs::read_to_string(machine.join("etc/patchmon").join(name));
    let credentials = file("credentials.yml").expect("the credential");
    for part in ["api_id", "api_key"] {
        let value = host[part].as_str().expect("text");
        assert!(credentials.contains(&format!("{part}: {value}\n")), "{credentials}");
        assert!(!done.stdout.contains(value) && !first.contains(value), "{part} is in the open");
    }
    let config = file("config.yml").expect("a configuration");
    assert!(config.contains(&format!("patchmon_server: {}\n", daemon.url())), "{config}");
    assert!(config.contains("skip_ssl_verify: false"), "{config}");
    let ca = fs::read_to_string(daemon.ca()).expect("a CA");
    assert_eq!(file("gangplank-ca.pem").expect("the CA").trim(), ca.trim());

    // A used token opens nothing, and what is there stays.
    let again = run_on(&machine, &first.replace("force='no'", "force='yes'"));
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("fetch the script again"), "{again:?}");
    assert_eq!(file("credentials.yml").expect("the credential"), credentials);
    // An agent that gets through is left alone.
    let kept = run_on(&machine, &script().await);
    assert!(kept.stdout.contains("connected to"), "{kept:?}");
    let calls = fs::read_to_string(&calls).expect("the agent was called");
    assert!(calls.contains("ping /etc/patchmon/gangplank-ca.pem"), "{calls}");

    let remove = daemon.client().anonymous().get("/api/v1/hosts/remove").await.expect(200).text();
    let removed = run_on(&machine, &remove);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert!(!machine.join("etc/patchmon").exists());
    assert!(!machine.join("usr/local/bin/patchmon-agent").exists());
}

#[tokio::test]
async fn the_console_says_whose_agent_it_is_and_offers_what_it_can_do() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let host = admin.add_host("moved", None).await;
    let id = host["id"].as_str().expect("an id");
    let agent = PatchmonAgent::start(&daemon.client(), Version::V14, &host).await;
    let docker =
        json!({ "containers": [{ "container_id": "c1", "name": "shop", "status": "running" }] });
    agent.post("/api/v1/integrations/docker", docker).await;

    let mut browser = console::browser(&daemon.url(), daemon.ca()).await;
    console::login(&mut browser, daemon.password()).await;
    browser.goto(&format!("{}/host?id={id}", daemon.url())).await;
    for text in ["PatchMon 1.4.2", "Debian GNU/Linux", "1 for security", "shop", "Compliance scans"]
    {
        browser.shows(text).await;
    }
    browser.click("Run", &by_text("^Run")).await;
    browser.shows("Report: system").await;
    let offered = browser.eval("document.querySelector('dialog').innerText").await;
    let offered = offered.as_str().expect("text");
    assert!(!offered.contains("Update packages") && !offered.contains("Run a tool"), "{offered}");
    assert_eq!(browser.problems(), Vec::<String>::new());
}

/// Both sides of the vocabulary meet: an agent of ours that takes the daemon for a PatchMon server.
#[tokio::test]
async fn our_agent_in_patchmon_s_service_is_at_home_here() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let host = admin.add_host("both", None).await;
    let id = host["id"].as_str().expect("an id");
    let config = scratch::directory().join("agent.toml");
    let text = format!(
        "[server]\nurl = {:?}\nkind = \"patchmon\"\nca = {:?}\n\
         [credentials]\napi_id = {}\napi_key = {}\n",
        daemon.url(),
        daemon.ca().display().to_string(),
        host["api_id"],
        host["api_key"],
    );
    scratch::secret_file(&config, &text);
    let mut command = Command::new(program::gangplank_agent());
    command.arg("run").arg("--config").arg(&config);
    let _agent = Process::start("gangplank-agent", &command);
    let path = format!("/api/v1/hosts/{id}");
    eventually::until(eventually::patience(), "its first report", || async {
        let shown = admin.get(&path).await.expect(200).json();
        Some(()).filter(|()| shown["first_report_at"].is_string() && shown["agent"] == "patchmon")
    })
    .await;
    for command in ["report_now", "refresh_integration_status"] {
        let job = admin.order(id, json!({ "command": command })).await;
        let over = admin.job_over(&job).await;
        assert_eq!(over["state"], "succeeded", "{over}");
    }
    let report = admin.get(&format!("{path}/report")).await.expect(200).json();
    assert!(report["packages"]["installed_count"].as_u64().is_some_and(|count| count > 0));
    let told = admin.get(&format!("{path}/integrations")).await.expect(200).json();
    let told = told["integrations"].as_array().expect("a list").clone();
    assert!(told.iter().any(|one| one["name"] == "compliance"), "{told:?}");
}
