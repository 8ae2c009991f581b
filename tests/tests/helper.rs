//! Commands that need root, by an agent that has a helper: ordered from afar, done by root, and over
//! when either of the two dies.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    process::Command,
    sync::LazyLock,
};

use gangplank_tests::{
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    eventually::{self, eventually},
    helper::Helper,
    http::Client,
    page::Page,
    process::Process,
    program,
};
use nix::{sys::signal::kill, unistd::Pid};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

/// Nobody's number, and that of his group.
const NOBODY: u32 = 65534;

async fn host(helper: &Helper) -> (Client, Agent) {
    let admin = DAEMON.admin().await;
    let policy = Policy::everything("localhost:22");
    let agent = Agent::enrol_with(&DAEMON, &admin, &policy, |table| helper.allow(table)).await;
    (admin, agent)
}

fn tool(name: &str) -> Value {
    json!({ "command": "run_tool", "params": { "tool": name } })
}

/// Id of the process that `stay` leaves.
async fn stays(admin: &Client, id: &str) -> Pid {
    let printed = eventually::until(eventually::patience(), "a process", || async {
        let path = format!("/api/v1/jobs/{id}/output?offset=0&wait=1");
        let part = admin.get(&path).await.expect(200).json();
        (part["next"].as_u64().expect("a number") > 0).then_some(())
    });
    printed.await;
    let path = format!("/api/v1/jobs/{id}/output?offset=0&wait=0");
    let part = admin.get(&path).await.expect(200).json();
    let data = part["pieces"][0]["data"].as_str().expect("base64");
    let engine = base64::engine::general_purpose::STANDARD;
    let text = base64::Engine::decode(&engine, data).expect("base64");
    let text = String::from_utf8(text).expect("a number");
    Pid::from_raw(text.trim().parse().expect("a number"))
}

fn gone(pid: Pid) {
    eventually("nothing to be left", || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        (kill(pid, None).is_err() || stat.contains(") Z ")).then_some(())
    });
}

#[tokio::test]
async fn an_agent_without_privileges_has_root_s_work_done() {
    let users = format!("users = [{:?}]", shell_user());
    let policy = format!("scan = true\npackages = true\ntools = true\n{users}");
    let helper = Helper::start(&NOBODY.to_string(), &policy);
    let (admin, agent) = host(&helper).await;
    // The same agent once more, as nobody.
    agent.kill();
    agent.state(&admin, "offline").await;
    let home = agent.config().parent().expect("a directory");
    for path in [home, agent.config(), &home.join("agent.lock")] {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("our own file");
    }
    let copy = helper.directory().join("gangplank-agent");
    fs::copy(program::gangplank_agent(), &copy).expect("our own directory");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("our own file");
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]);
    command.args(["--inh-caps=-all", "--bounding-set=-all"]).arg(copy);
    command.arg("run").arg("--config").arg(agent.config());
    let _agent = Process::start("gangplank-agent as nobody", &command);
    agent.online(&admin).await;

    let id = admin.order(agent.host(), tool("whoami")).await;
    let (output, _) = admin.job_output(&id).await;
    let job = admin.job_over(&id).await;
    assert_eq!((&job["state"], output.as_slice()), (&json!("succeeded"), &b"root\n"[..]), "{job}");

    let scan = json!({ "command": "compliance_scan", "params": { "profile": "strict" } });
    let id = admin.order(agent.host(), scan).await;
    let job = admin.job_over(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    assert_eq!(job["result"]["profile"], "xccdf_io.github.gangplank_profile_strict", "{job}");

    let packages = json!({ "command": "update_packages", "params": { "mode": "dry_run" } });
    let id = admin.order(agent.host(), packages).await;
    let (output, _) = admin.job_output(&id).await;
    let job = admin.job_over(&id).await;
    assert_eq!((&job["state"], &job["result"]["manager"]), (&json!("succeeded"), &json!("apt")));
    assert!(String::from_utf8_lossy(&output).contains("upgraded, "), "{job}");

    // Shells of others are the service manager's to start, and there is none.
    let mut page = Page::open(&admin, agent.host()).await;
    let pty = json!({ "connection_mode": "pty", "username": shell_user() });
    let refused = page.refused(pty).await;
    assert_eq!(refused["code"], "not_allowed", "{refused}");
    assert!(refused["message"].as_str().expect("a reason").contains("needs systemd"), "{refused}");

    // Without its helper it says what is missing.
    helper.kill();
    for order in
        [tool("whoami"), json!({ "command": "update_packages", "params": { "mode": "all" } })]
    {
        let id = admin.order(agent.host(), order).await;
        let job = admin.job_over(&id).await;
        let why = job["error"].as_str().expect("a reason");
        assert!(why.contains("no helper listens on"), "{job}");
    }
}

#[tokio::test]
async fn both_files_have_a_word() {
    let helper = Helper::start("root", "");
    let (admin, agent) = host(&helper).await;
    for (order, key) in [
        (tool("whoami"), "policy.tools in its helper.toml"),
        (json!({ "command": "compliance_scan" }), "policy.scan in its helper.toml"),
        (
            json!({ "command": "update_packages", "params": { "mode": "dry_run" } }),
            "policy.packages in its helper.toml",
        ),
        (
            json!({ "command": "update_packages", "params": { "mode": "dry_run", "root": "/" } }),
            "takes mode: dry_run, security or all",
        ),
    ] {
        let id = admin.order(agent.host(), order).await;
        let job = admin.job_over(&id).await;
        assert_eq!(job["state"], "failed", "{job}");
        assert!(job["error"].as_str().expect("a reason").contains(key), "{job}");
    }
    let plain = Agent::enrol(&DAEMON, &admin, &Policy::everything("localhost:22")).await;
    let order = json!({ "command": "update_packages", "params": { "mode": "dry_run" } });
    let id = admin.order(plain.host(), order).await;
    let job = admin.job_over(&id).await;
    let why = job["error"].as_str().expect("a reason");
    assert!(why.contains("policy.packages = true"), "{job}");
}

#[tokio::test]
async fn a_job_whose_helper_is_killed_says_so() {
    let helper = Helper::start("root", "tools = true");
    let (admin, agent) = host(&helper).await;
    let id = admin.order(agent.host(), tool("stay")).await;
    let pid = stays(&admin, &id).await;
    helper.kill();
    let job = admin.job_over(&id).await;
    assert_eq!(job["state"], "unknown", "{job}");
    let why = job["error"].as_str().expect("a reason");
    assert!(why.contains("the helper was lost while it ran"), "{job}");
    gone(pid);
}

#[tokio::test]
async fn an_agent_that_is_killed_leaves_nothing_running() {
    let helper = Helper::start("root", "tools = true");
    let (admin, agent) = host(&helper).await;
    let id = admin.order(agent.host(), tool("stay")).await;
    let pid = stays(&admin, &id).await;
    agent.kill();
    gone(pid);
    agent.start_again();
    let job = admin.job_over(&id).await;
    assert_eq!(job["state"], "unknown", "{job}");
}

#[tokio::test]
async fn a_cancel_reaches_what_root_does() {
    let helper = Helper::start("root", "tools = true");
    let (admin, agent) = host(&helper).await;
    let id = admin.order(agent.host(), tool("stay")).await;
    let pid = stays(&admin, &id).await;
    admin.post(&format!("/api/v1/jobs/{id}/cancel"), json!({})).await.expect(202);
    let job = admin.job_over(&id).await;
    assert_eq!(job["state"], "cancelled", "{job}");
    gone(pid);
}
