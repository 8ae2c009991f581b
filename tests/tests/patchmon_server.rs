//! `gangplank-agent` in the service of a PatchMon server, 1.4 or 2.1.

use std::{fs, process::Command};

use gangplank_tests::{
    eventually,
    patchmon_server::{AgentSocket, PatchmonServer, Version},
    process::Process,
    program, scratch,
    sshd::Sshd,
};
use serde_json::{Value, json};

const API_ID: &str = "patchmon_0123456789abcdef";
const API_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const SESSION: &str = "00112233445566778899aabbccddeeff";

/// An agent of a server, on a host with an sshd.
struct Role {
    server: PatchmonServer,
    sshd: Sshd,
    agent: Process,
}

impl Role {
    async fn start(version: Version) -> Self {
        let server = PatchmonServer::start(version, API_ID, API_KEY).await;
        let sshd = Sshd::start();
        let agent = agent(&server, &sshd, API_KEY);
        Self { server, sshd, agent }
    }

    /// `ssh_proxy` to this host's sshd, with what proves who asks.
    fn ssh(&self, session: &str, proof: Value) -> Value {
        let mut message = json!({
            "type": "ssh_proxy", "session_id": session, "host": "localhost",
            "port": self.sshd.port(), "username": self.sshd.account().name,
            "terminal": "xterm-256color", "cols": 80, "rows": 24,
        });
        let fields = message.as_object_mut().expect("an object");
        fields.extend(proof.as_object().expect("an object").clone());
        message
    }

    fn password(&self) -> Value {
        json!({ "password": self.sshd.account().password })
    }
}

/// Runs an agent whose file allows SSH to that sshd, and scans.
fn agent(server: &PatchmonServer, sshd: &Sshd, key: &str) -> Process {
    let directory = scratch::directory();
    let ssh_dir = directory.join("ssh");
    fs::create_dir(&ssh_dir).expect("our own directory");
    // The first lines of sshd's own file name its keys and its port.
    let file = sshd.directory().join("sshd_host.conf");
    fs::copy(file, ssh_dir.join("sshd_config")).expect("our own directory");
    let config = directory.join("agent.toml");
    let text = format!(
        "[server]\nurl = {:?}\nkind = \"patchmon\"\n\
         [credentials]\napi_id = {API_ID:?}\napi_key = {key:?}\n\
         [host]\nssh_dir = {:?}\n\
         [policy]\nscan = true\ntargets = [\"localhost:{}\", \"192.0.2.7:22\"]\n",
        server.url(),
        ssh_dir.display().to_string(),
        sshd.port(),
    );
    scratch::secret_file(&config, &text);
    let mut command = Command::new(program::gangplank_agent());
    command.arg("run").arg("--config").arg(&config);
    Process::start("gangplank-agent", &command)
}

/// Reads a session's output until it holds `wanted`.
async fn output(socket: &mut AgentSocket, session: &str, wanted: &str) -> String {
    let mut all = String::new();
    while !all.contains(wanted) {
        let message = socket.next("ssh_proxy_data").await;
        assert_eq!(message["session_id"], session, "{message}");
        all.push_str(message["data"].as_str().expect("text"));
    }
    all
}

async fn keys(socket: &mut AgentSocket, session: &str, data: &str) {
    socket.say(json!({ "type": "ssh_proxy_input", "session_id": session, "data": data })).await;
}

async fn is_at_home(version: Version) {
    let mut role = Role::start(version).await;
    let mut socket = role.server.agent().await;
    // What it tells unasked.
    role.server.posted("/api/v1/hosts/ping").await;
    let report = role.server.posted("/api/v1/hosts/update").await;
    for text in ["osType", "hostname", "kernelVersion", "architecture", "agentVersion"] {
        assert!(report[text].as_str().is_some_and(|text| !text.is_empty()), "{text}: {report}");
    }
    assert!(report["packages"].as_array().expect("a list").iter().all(|one| {
        one["name"].is_string()
            && one["currentVersion"].is_string()
            && one["needsUpdate"].is_boolean()
    }));
    assert!(!report["networkInterfaces"].as_array().expect("a list").is_empty(), "{report}");
    let compliance = role.server.posted("/api/v1/hosts/integration-status").await;
    assert_eq!(
        (&compliance["integration"], &compliance["status"]),
        (&json!("compliance"), &json!("ready"))
    );
    let docker = role.server.posted("/api/v1/hosts/integration-status").await;
    assert_eq!((&docker["integration"], &docker["enabled"]), (&json!("docker"), &json!(false)));
    // What it is told to do; what it does not know changes nothing.
    role.server.forget();
    socket.say(json!({ "type": "remediate_rule", "rule_id": "x" })).await;
    socket.say(json!({ "type": "update_agent" })).await;
    socket.say(json!({ "type": "settings_update", "update_interval": 5 })).await;
    socket.say(json!({ "type": "report_now" })).await;
    role.server.posted("/api/v1/hosts/update").await;

    socket.say(role.ssh(SESSION, role.password())).await;
    let connected = socket.next("ssh_proxy_connected").await;
    assert_eq!(connected["session_id"], SESSION);
    keys(&mut socket, SESSION, "stty size; echo $((40+2))ä\n").await;
    output(&mut socket, SESSION, "42ä").await;
    socket
        .say(json!({
            "type": "ssh_proxy_resize", "session_id": SESSION, "cols": 101, "rows": 31,
        }))
        .await;
    keys(&mut socket, SESSION, "stty size\n").await;
    output(&mut socket, SESSION, "31 101").await;
    keys(&mut socket, SESSION, "exit\n").await;
    assert_eq!(socket.next("ssh_proxy_closed").await["session_id"], SESSION);
}

#[tokio::test]
async fn it_works_as_an_agent_of_a_1_4_server() {
    is_at_home(Version::V14).await;
}

#[tokio::test]
async fn it_works_as_an_agent_of_a_2_1_server() {
    is_at_home(Version::V21).await;
}

#[tokio::test]
async fn a_key_signs_and_what_a_terminal_prints_comes_whole() {
    let mut role = Role::start(Version::V21).await;
    let mut socket = role.server.agent().await;
    let (key, passphrase) = role.sshd.locked_key();
    for proof in [
        json!({ "private_key": role.sshd.key() }),
        json!({ "private_key": role.sshd.rsa_key() }),
        json!({ "private_key": key, "passphrase": passphrase }),
    ] {
        socket.say(role.ssh(SESSION, proof)).await;
        socket.next("ssh_proxy_connected").await;
        keys(&mut socket, SESSION, "stty -echo; seq 1 200000; echo the-$((1+1))nd-end\n").await;
        let all = output(&mut socket, SESSION, "the-2nd-end").await;
        let lines: Vec<&str> = all.lines().map(str::trim).collect();
        // The shell writes something of its own before the first.
        let second = lines.iter().rposition(|line| *line == "2").expect("the second line");
        let numbers: Vec<String> = (2..=200_000).map(|n| n.to_string()).collect();
        assert!(
            lines[second..].starts_with(&numbers.iter().map(String::as_str).collect::<Vec<_>>())
        );
        socket.say(json!({ "type": "ssh_proxy_disconnect", "session_id": SESSION })).await;
    }
    // A paste of any size that is not read at once.
    socket.say(role.ssh(SESSION, role.password())).await;
    socket.next("ssh_proxy_connected").await;
    let count = "stty raw -echo; echo ready-$((1+1)); head -c 300000 | wc -c\n";
    keys(&mut socket, SESSION, count).await;
    output(&mut socket, SESSION, "ready-2").await;
    for _ in 0..100 {
        keys(&mut socket, SESSION, &"x".repeat(3_000)).await;
    }
    output(&mut socket, SESSION, "300000").await;
}

#[tokio::test]
async fn a_server_reaches_nothing_that_the_host_does_not_allow() {
    let mut role = Role::start(Version::V14).await;
    let mut socket = role.server.agent().await;
    let refused = |change: Value, reason: &'static str| {
        let mut message = role.ssh(SESSION, role.password());
        let fields = message.as_object_mut().expect("an object");
        fields.extend(change.as_object().expect("an object").clone());
        (message, reason)
    };
    for (message, reason) in [
        // Allowed by the host's file, but nobody knows its key.
        refused(json!({ "host": "192.0.2.7", "port": 22 }), "is not known to this agent"),
        refused(json!({ "port": 1 }), "is not known to this agent"),
        refused(json!({ "host": "127.0.0.1" }), "policy.targets"),
        refused(json!({ "private_key": "no key" }), "key"),
        refused(json!({ "password": "wrong" }), ""),
    ] {
        socket.say(message).await;
        let error = socket.next("ssh_proxy_error").await;
        assert_eq!(error["session_id"], SESSION);
        let text = error["message"].as_str().expect("a text");
        assert!(text.contains(reason) && !text.is_empty(), "{error}");
    }
    // The key of another server in the host's own place.
    role.sshd.change_host_key();
    socket.say(role.ssh(SESSION, role.password())).await;
    socket.next("ssh_proxy_error").await;
    let password = &role.sshd.account().password;
    assert!(!role.agent.log().contains(password.as_str()), "a password in the log");
}

#[tokio::test]
async fn a_scan_is_uploaded_with_its_rules() {
    let mut role = Role::start(Version::V14).await;
    let mut socket = role.server.agent().await;
    socket
        .say(json!({
            "type": "compliance_scan", "profile_type": "openscap", "profile_id": "basic",
            "enable_remediation": false, "fetch_remote_resources": false,
        }))
        .await;
    let started = socket.next("compliance_scan_progress").await;
    assert_eq!((&started["phase"], &started["profile_name"]), (&json!("started"), &json!("basic")));
    let upload = role.server.posted("/api/v1/compliance/scans").await;
    let scan = &upload["scans"][0];
    assert_eq!(scan["status"], "completed", "{scan}");
    let results = scan["results"].as_array().expect("a list");
    assert!(results.len() >= 12, "{scan}");
    assert!(results.iter().any(|rule| rule["status"] == "pass"), "{scan}");
    assert!(results.iter().all(|rule| rule["rule_ref"].is_string() && rule["title"].is_string()));
    loop {
        let progress = socket.next("compliance_scan_progress").await;
        if progress["phase"] == "completed" {
            assert_eq!(progress["progress"], 100.0);
            break;
        }
    }
    socket
        .say(json!({
            "type": "compliance_scan", "profile_type": "openscap", "profile_id": "no-such",
            "enable_remediation": false, "fetch_remote_resources": false,
        }))
        .await;
    let upload = role.server.posted("/api/v1/compliance/scans").await;
    assert_eq!(upload["scans"][0]["status"], "failed");
    assert!(upload["scans"][0]["error"].as_str().expect("a text").contains("no-such"), "{upload}");
}

#[tokio::test]
async fn it_comes_back_and_a_wrong_key_is_said_so() {
    let mut role = Role::start(Version::V21).await;
    let socket = role.server.agent().await;
    drop(socket);
    let mut socket = role.server.agent().await;
    socket.say(role.ssh(SESSION, role.password())).await;
    socket.next("ssh_proxy_connected").await;

    let stranger = agent(&role.server, &role.sshd, &"0".repeat(64));
    eventually::until(eventually::patience(), "the refusal", || async {
        stranger.log().contains("refused this host's credentials").then_some(())
    })
    .await;
}
