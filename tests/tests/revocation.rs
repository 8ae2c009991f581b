//! A right that is withdrawn reaches the sockets that are open.

use std::{sync::LazyLock, time::Duration};

use gangplank_tests::{
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    eventually,
    http::Client,
    page::Page,
};
use serde_json::json;

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

const SOON: Duration = Duration::from_secs(5);

async fn agent() -> (Client, Agent) {
    let admin = DAEMON.admin().await;
    let agent = Agent::enrol(&DAEMON, &admin, &Policy::everything("localhost:22")).await;
    (admin, agent)
}

async fn open(client: &Client, host: &str) -> Page {
    let mut page = Page::open(client, host).await;
    page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
    page.proves_a_shell().await;
    page
}

#[tokio::test]
async fn logging_out_closes_the_viewers_of_that_login() {
    let (admin, agent) = agent().await;
    let (_, operator) = admin.add_user("logging-out", &["operator"]).await;
    let mut pages = [open(&operator, agent.host()).await, open(&operator, agent.host()).await];
    let mut events = operator.upgrade("/api/v1/ws/events?topics=hosts").open().await.expect("101");
    let mut other = open(&admin, agent.host()).await;
    operator.post("/api/v1/auth/logout", json!({})).await.expect(204);
    for page in &mut pages {
        assert_eq!(page.ended(SOON).await.code, 4001);
    }
    assert_eq!(events.closed(SOON).await.code, 4001);
    operator.get("/api/v1/auth/me").await.refused(401);
    other.proves_a_shell().await;
}

/// A page that takes nothing blocks what the daemon writes to it, and can't hold on by that.
#[tokio::test]
async fn logging_out_reaches_a_page_that_reads_nothing() {
    let (admin, agent) = agent().await;
    let (_, operator) = admin.add_user("reading-nothing", &["operator"]).await;
    let mut page = Page::open_json(&operator, agent.host()).await;
    page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
    page.keys("exec yes a line that nobody ever reads\r").await;
    // The terminal's output stops moving once every buffer on the way is full.
    let sessions = || async {
        let list = admin.get("/api/v1/sessions?limit=500").await.expect(200).json();
        let items = list["items"].as_array().expect("a list").clone();
        items.into_iter().filter(|item| item["user"] == "reading-nothing").collect::<Vec<_>>()
    };
    assert_eq!(sessions().await.len(), 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    operator.post("/api/v1/auth/logout", json!({})).await.expect(204);
    eventually::until(SOON, "the terminal to end", || async {
        sessions().await.iter().all(|item| item["state"] == "ended").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_disabled_user_loses_everything() {
    let (admin, agent) = agent().await;
    let (id, operator) = admin.add_user("to-be-disabled", &["operator"]).await;
    let mut page = open(&operator, agent.host()).await;
    let body = json!({ "disabled": true });
    admin.patch(&format!("/api/v1/users/{id}"), body).await.expect(200);
    let code = page.ended(SOON).await.code;
    assert!([4001, 4003].contains(&code), "{code}");
    operator.get("/api/v1/auth/me").await.refused(401);
    let host = format!("/api/v1/ssh-terminal/{}", agent.host());
    let again = operator.upgrade(&host).open().await.expect_err("a refusal");
    assert_eq!(again.status, 401);
}

#[tokio::test]
async fn disabling_from_the_command_line_reaches_open_sockets_too() {
    let (admin, agent) = agent().await;
    let (_, operator) = admin.add_user("by-command", &["operator"]).await;
    let mut page = open(&operator, agent.host()).await;
    let done = DAEMON.command(&["user", "disable", "by-command"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let code = page.ended(SOON).await.code;
    assert!([4001, 4003].contains(&code), "{code}");
}

#[tokio::test]
async fn a_withdrawn_permission_ends_terminals() {
    let (admin, agent) = agent().await;
    let (id, operator) = admin.add_user("to-be-a-viewer", &["operator"]).await;
    let mut page = open(&operator, agent.host()).await;
    let body = json!({ "roles": ["viewer"] });
    admin.patch(&format!("/api/v1/users/{id}"), body).await.expect(200);
    assert_eq!(page.ended(SOON).await.code, 4003);
    operator.get("/api/v1/hosts").await.expect(200);
    operator.post("/api/v1/auth/ssh-ticket", json!({ "hostId": agent.host() })).await.refused(403);
}

#[tokio::test]
async fn a_deleted_host_takes_its_terminals_along() {
    let (admin, agent) = agent().await;
    let mut page = open(&admin, agent.host()).await;
    admin.delete(&format!("/api/v1/hosts/{}", agent.host())).await.expect(204);
    let code = page.ended(SOON).await.code;
    assert!([4001, 4003, 4010].contains(&code), "{code}");
}

#[tokio::test]
async fn an_administrator_can_end_a_session() {
    let (admin, agent) = agent().await;
    let mut page = open(&admin, agent.host()).await;
    let sessions = admin.get("/api/v1/sessions?limit=200").await.expect(200).json();
    let session = sessions["items"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|session| session["host_id"] == agent.host())
        .expect("the open session")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    admin.delete(&format!("/api/v1/sessions/{session}")).await.expect(204);
    page.event_within("closed", SOON).await;
    assert_eq!(page.ended(SOON).await.code, 4010);
}
