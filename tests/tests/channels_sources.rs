//! What the daemon says on the channels by itself.

use std::{sync::LazyLock, time::Duration};

use gangplank_proto::channel::Channel;
use gangplank_tests::{
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    job::Marker,
    page::Page,
    ws::Socket,
};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

/// The next message that is about a host, which must be of the channel's form.
async fn about(socket: &mut Socket, channel: Channel, host: &str) -> Value {
    loop {
        let message = socket.next_json().await;
        channel.check(&message).expect("a message of the channel");
        let about = message["data"]["host_id"].as_str().or(message["receipt"]["host_id"].as_str());
        if about == Some(host) {
            return message;
        }
    }
}

#[tokio::test]
async fn a_terminal_s_life_is_told() {
    let admin = DAEMON.admin().await;
    let mut vpn = admin.listen(Channel::Vpn, "").await;
    let agent = Agent::enrol(&DAEMON, &admin, &Policy::everything("localhost:22")).await;
    // Nobody listens where the listener was.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("its address").port()
    };
    let silent = admin.add_host("silent", Some(("127.0.0.1", port))).await;
    let silent = silent["id"].as_str().expect("an id");
    let mut page = Page::open(&admin, silent).await;
    let fields = json!({ "connection_mode": "direct", "username": "x", "password": "y" });
    assert_eq!(page.refused(fields).await["code"], "unreachable");
    let mut life = Vec::new();
    for _ in 0..2 {
        life.push(about(&mut vpn, Channel::Vpn, silent).await["data"].clone());
    }
    let states: Vec<_> = life.iter().map(|data| &data["state"]).collect();
    assert_eq!(states, ["connecting", "error"], "{life:?}");
    assert_eq!(life[0]["session_id"], life[1]["session_id"]);
    assert_eq!(life[1]["code"], "unreachable", "{life:?}");
    assert!(life[1]["reason"].is_string(), "{life:?}");

    let mut page = Page::open(&admin, agent.host()).await;
    let fields = json!({ "connection_mode": "pty", "username": shell_user() });
    let connected = page.connected(fields).await;
    page.proves_a_shell().await;
    page.keys("exit\r").await;
    assert_eq!(page.ended(Duration::from_secs(30)).await.code, 4010);
    for state in ["connecting", "connected", "disconnected"] {
        let data = about(&mut vpn, Channel::Vpn, agent.host()).await["data"].clone();
        assert_eq!(data["state"], state, "{data}");
        assert_eq!(data["session_id"], connected["session_id"], "{data}");
        assert_eq!((&data["kind"], &data["mode"]), (&json!("terminal"), &json!("pty")), "{data}");
        assert_eq!(data["user"], "admin", "{data}");
    }
}

#[tokio::test]
async fn what_is_done_for_a_case_leaves_a_receipt() {
    let admin = DAEMON.admin().await;
    let marker = Marker::new();
    let policy = Policy::everything("localhost:22");
    let agent = Agent::enrol_with(&DAEMON, &admin, &policy, |table| marker.allow(table)).await;
    let mut receipts = admin.listen(Channel::Receipts, "").await;
    let order = async |mut params: Value, case: Option<&str>| {
        if let Some(case) = case {
            params["case_id"] = json!(case);
            params["network_attack_id"] = json!("attack-2");
        }
        admin.order(agent.host(), json!({ "command": "run_tool", "params": params })).await
    };
    order(Marker::params("no-case", 0), None).await;
    let done = order(Marker::params("for-a-case", 0), Some("case-7")).await;
    let receipt = about(&mut receipts, Channel::Receipts, agent.host()).await;
    assert_eq!(receipt["event"], "investigation_receipt_updated");
    assert_eq!(
        (&receipt["case_id"], &receipt["network_attack_id"]),
        (&json!("case-7"), &json!("attack-2"))
    );
    assert_eq!(
        (&receipt["case"]["id"], &receipt["receipt"]["job_id"]),
        (&json!("case-7"), &json!(done))
    );
    assert_eq!(
        (&receipt["receipt"]["kind"], &receipt["receipt"]["state"]),
        (&json!("job"), &json!("succeeded"))
    );
}
