#![allow(clippy::unwrap_used, clippy::panic)]

use super::socket::{AdminSocket, SocketError, ask};
use super::*;
use crate::auth::{Auth, Change, News, ServerSecret};
use crate::clock::Clock;
use crate::store::tests::{Fixture, START, fixture};
use tokio_util::sync::CancellationToken;

async fn admin() -> (Fixture, Auth, Admin) {
    let fixture = fixture().await;
    let clock = Clock::manual(START);
    let secret = ServerSecret::new(vec![3; 32]);
    let auth = Auth::new(fixture.store.clone(), clock.clone(), &secret);
    let admin = Admin::new(fixture.store.clone(), auth.clone(), clock, fixture.tenant);
    (fixture, auth, admin)
}

fn add(name: &str) -> Request {
    Request::UserAdd {
        username: name.parse().unwrap(),
        password: Secret::new("canary-password".to_owned()),
        roles: vec!["admin".to_owned()],
    }
}

fn failed(response: &Response) -> &str {
    match response {
        Response::Failed { message } => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn users_are_made_listed_locked_out_and_recovered() {
    let (fixture, auth, admin) = admin().await;
    assert!(!format!("{:?}", add("alice")).contains("canary"));
    assert!(matches!(admin.execute(0, add("alice")).await, Response::Done));
    assert_eq!(failed(&admin.execute(0, add("ALICE")).await), "a user of that name exists already");
    let source = "192.0.2.1".parse().unwrap();
    let right = Secret::new("canary-password".to_owned());
    let login = auth.login("alice", &right, source).await.unwrap();
    let username: Username = "alice".parse().unwrap();
    let disable = Request::UserDisable { username: username.clone(), disabled: true };
    assert!(failed(&admin.execute(0, disable.clone()).await).contains("last administrator"));
    assert!(matches!(admin.execute(0, add("bob")).await, Response::Done));
    let mut listener = auth.revocations().listen();
    assert!(matches!(admin.execute(0, disable).await, Response::Done));
    assert_eq!(listener.next().await, News::Change(Change::UserChanged(login.principal.user)));
    assert!(auth.login("alice", &right, source).await.is_err());

    let recovered = admin.execute(0, Request::RecoverAccess { username }).await;
    let Response::Password { username, password } = recovered else { panic!("{recovered:?}") };
    assert!(auth.login(&username, &password, source).await.is_ok());
    let Response::Users { items } = admin.execute(0, Request::UserList).await else { panic!() };
    assert_eq!(items.len(), 2);
    let page = crate::store::PageRequest::default();
    let audit = fixture.store.audit_page(fixture.tenant, &page).await.unwrap().items;
    assert!(audit.iter().any(|row| row.actor == "operator:uid=0" && row.action == "user.disable"));
    assert!(!format!("{audit:?}").contains("canary"));
    let nobody = "nobody".parse().unwrap();
    let unknown = Request::UserDisable { username: nobody, disabled: true };
    assert_eq!(failed(&admin.execute(0, unknown).await), "there is no user nobody");
}

#[tokio::test]
async fn hosts_and_tokens_are_made_and_removed() {
    let (_fixture, auth, admin) = admin().await;
    let host = |name: &str| Request::HostAdd {
        friendly_name: name.to_owned(),
        address: Some("10.0.0.1".to_owned()),
        port: None,
        gateway: None,
        labels: Vec::new(),
    };
    let Response::Host(made) = admin.execute(0, host("web")).await else { panic!() };
    assert!(auth.agent(&made.api_id, made.api_key.expose(), None).await.is_ok());
    assert!(failed(&admin.execute(0, host("\n")).await).contains("friendly_name"));
    admin.execute(0, host("twin")).await;
    admin.execute(0, host("twin")).await;
    let remove = |host: &str| Request::HostRemove { host: host.to_owned() };
    assert!(failed(&admin.execute(0, remove("twin")).await).contains("several"));
    assert!(failed(&admin.execute(0, remove("none")).await).contains("no host"));
    assert!(matches!(admin.execute(0, remove("web")).await, Response::Done));
    assert!(failed(&admin.execute(0, remove(&made.id)).await).contains("no host"));
    let token = Request::TokenCreate {
        uses: 1,
        life: 3600,
        approve: false,
        ephemeral: false,
        labels: Vec::new(),
        networks: Vec::new(),
    };
    let Response::Token(token) = admin.execute(0, token).await else { panic!() };
    assert!(token.token.expose().starts_with("gpt_"));
    let Response::Hosts { items } = admin.execute(0, Request::HostList).await else { panic!() };
    assert_eq!(items.len(), 2);
    let Response::Findings { findings } = admin.execute(0, Request::Doctor).await else { panic!() };
    let bad: Vec<_> = findings.iter().filter(|finding| !finding.ok).map(|f| &f.check).collect();
    assert_eq!(bad, ["users"]);
}

#[tokio::test]
async fn a_running_daemon_is_asked_through_its_socket() {
    let (fixture, _auth, admin) = admin().await;
    let directory = fixture.store.directory().clone();
    let gone = ask(directory.path(), &Request::Check).await;
    assert!(matches!(gone, Err(SocketError::NotRunning(_))));
    std::fs::write(directory.path().join("admin.sock"), "left behind").unwrap();
    let live = || Live { url: "https://x".to_owned(), agents: 3, terminals: 1 };
    let socket = AdminSocket::bind(&directory).unwrap();
    let shutdown = CancellationToken::new();
    let serving =
        tokio::spawn(socket.serve(admin.with_live(Default::default(), live), shutdown.clone()));
    let asked = ask(directory.path(), &Request::Status).await.unwrap();
    let Response::Status(status) = asked else { panic!("{asked:?}") };
    assert_eq!(status.live.unwrap().agents, 3);
    assert!(matches!(ask(directory.path(), &add("alice")).await.unwrap(), Response::Done));
    let Response::Backup { file } = ask(directory.path(), &Request::Backup).await.unwrap() else {
        panic!()
    };
    assert!(file.is_file());
    shutdown.cancel();
    serving.await.unwrap();
    let gone = ask(directory.path(), &Request::Check).await;
    assert!(matches!(gone, Err(SocketError::NotRunning(_))));
}

#[tokio::test]
async fn a_long_path_is_reached_all_the_same() {
    let (fixture, auth, _) = admin().await;
    let long = fixture.directory.path().join("d".repeat(120));
    let directory = crate::store::DataDir::open(&long).unwrap();
    let socket = AdminSocket::bind(&directory).unwrap();
    let shutdown = CancellationToken::new();
    let admin = Admin::new(fixture.store, auth, Clock::manual(START), fixture.tenant);
    let serving = tokio::spawn(socket.serve(admin, shutdown.clone()));
    assert!(matches!(ask(&long, &Request::Check).await.unwrap(), Response::Done));
    shutdown.cancel();
    serving.await.unwrap();
}
