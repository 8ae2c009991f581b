#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use gangplank_proto::docker::DockerInventory;
use gangplank_proto::fact::{HostFacts, PolicyFacts};
use gangplank_proto::id::{ApiId, HostId, LoginId, SessionId, TenantId, UserId};
use gangplank_proto::job::{Command, Done, Outcome};
use gangplank_proto::link::Size;
use gangplank_proto::patchmon::{Hashes, Update};
use gangplank_proto::scan::Report;
use gangplank_proto::settings::Settings;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::audit::{By, Entry};
use crate::auth::{Account, Permission, Principal, Username};
use crate::clock::Timestamp;
use crate::random::token_hash;

mod chain;
mod keeping;
mod life;
mod people;

pub(crate) const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A store in a directory of its own, with two tenants; removed when it goes.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) tenant: TenantId,
    pub(crate) other: TenantId,
    pub(crate) directory: TempDir,
}

pub(crate) fn by(at: Timestamp) -> By {
    By::daemon(at)
}

pub(crate) async fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(DataDir::open(directory.path()).unwrap()).await.unwrap();
    let tenant = store.bootstrap(&by(START)).await.unwrap().id;
    let other = store.create_tenant(&by(START), "other").await.unwrap().id;
    Fixture { store, tenant, other, directory }
}

pub(crate) async fn user(fixture: &Fixture, name: &str, role: &str) -> UserId {
    let new = NewUser {
        username: name.parse().unwrap(),
        password_hash: "$argon2id$".to_owned(),
        roles: vec![role.to_owned()],
    };
    fixture.store.create_user(fixture.tenant, &by(START), new).await.unwrap()
}

pub(crate) async fn login(fixture: &Fixture, user: UserId, cookie: Option<&str>) -> Principal {
    let new = NewLogin {
        tenant: fixture.tenant,
        user,
        account: Account { tenant: fixture.tenant, user },
        token_hash: cookie.map(token_hash),
        source: None,
        expires_at: START.plus(LOGIN_LIFE),
        factor: None,
        must_enrol: false,
    };
    let login = fixture.store.create_login(&by(START), new).await.unwrap();
    let found = fixture.store.principal_of_login(fixture.tenant, login, false, START).await;
    found.unwrap().unwrap()
}

pub(crate) async fn host(fixture: &Fixture, name: &str) -> HostId {
    let new = NewHost { friendly_name: name.to_owned(), ..NewHost::default() };
    let enrolment = Enrolment {
        api_id: ApiId::from_random(crate::random::bytes().unwrap()),
        key_hash: "key".to_owned(),
        state: HostState::Live,
        ephemeral: false,
    };
    fixture.store.create_host(fixture.tenant, &by(START), new, enrolment).await.unwrap()
}

#[tokio::test]
async fn one_instance_has_the_directory_and_nobody_else_reads_it() {
    let fixture = fixture().await;
    let again = DataDir::open(fixture.directory.path());
    assert!(matches!(again, Err(StoreError::InUse(_))));
    for name in ["gangplank.db", "gangplank.db-wal", "gangplank.db-shm", "lock"] {
        let mode = fixture.directory.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    fixture.store.check().await.unwrap();
    fixture.store.close().await;
    drop(fixture.store);
    let reopened = Store::open(DataDir::open(fixture.directory.path()).unwrap()).await.unwrap();
    // A second start finds what the first one made.
    assert_eq!(reopened.bootstrap(&by(START)).await.unwrap().id, fixture.tenant);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let fixture = fixture().await;
    sqlx::query("UPDATE _sqlx_migrations SET version = 99 WHERE version = 1")
        .execute(&fixture.store.writer)
        .await
        .unwrap();
    fixture.store.close().await;
    drop(fixture.store);
    let reopened = Store::open(DataDir::open(fixture.directory.path()).unwrap()).await;
    let error = reopened.unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
}

#[tokio::test]
async fn what_cannot_be_written_is_not_done() {
    let fixture = fixture().await;
    sqlx::query("PRAGMA query_only = ON").execute(&fixture.store.writer).await.unwrap();
    let new = NewHost { friendly_name: "web".to_owned(), ..NewHost::default() };
    let enrolment = Enrolment {
        api_id: ApiId::from_random([1; 8]),
        key_hash: "key".to_owned(),
        state: HostState::Live,
        ephemeral: false,
    };
    let made = fixture.store.create_host(fixture.tenant, &by(START), new, enrolment).await;
    assert!(matches!(made, Err(StoreError::NotWritable(_))));
    let hosts = fixture.store.hosts(fixture.tenant, &PageRequest::default()).await.unwrap();
    assert!(hosts.items.is_empty());
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_room() {
    let f = fixture().await;
    let pages: i64 =
        sqlx::query_scalar("PRAGMA page_count").fetch_one(&f.store.writer).await.unwrap();
    let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 1));
    sqlx::query(limit).execute(&f.store.writer).await.unwrap();
    let write = async || {
        let entry = Entry::done(f.tenant, "test.run", "x".repeat(1_000_000));
        f.store.audit(&by(START), entry).await
    };
    let refused = write().await;
    assert!(matches!(refused, Err(StoreError::NotWritable(_))), "{refused:?}");
    // SQLite has ended that transaction by itself. The next one comes by another connection, for
    // which the bound of this test doesn't hold.
    write().await.unwrap();
    assert_eq!(f.store.verify_audit().await.unwrap(), AuditVerdict::Whole { rows: 3 });
}

#[tokio::test]
async fn a_backup_is_complete_private_and_never_overwrites() {
    let fixture = fixture().await;
    let host = host(&fixture, "web").await;
    let copy = fixture.directory.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    let file = copy.join("gangplank.db");
    fixture.store.backup(&file).await.unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fixture.store.backup(&file).await.is_err());
    let restored = Store::open(DataDir::open(&copy).unwrap()).await.unwrap();
    assert!(restored.host(fixture.tenant, host).await.unwrap().is_some());
    assert!(matches!(restored.verify_audit().await.unwrap(), AuditVerdict::Whole { .. }));
}

fn left(expires_at: Timestamp) -> Left {
    Left { size: Size::new(100, 30).unwrap(), last_output_at: Some(START), expires_at }
}

#[tokio::test]
async fn nothing_of_one_tenant_is_found_or_changed_by_another() {
    let f = fixture().await;
    let store = &f.store;
    let user = user(&f, "alice", "operator").await;
    let owner = login(&f, user, None).await;
    let host = host(&f, "web").await;
    let session = SessionId::new();
    let new = NewSession {
        id: session,
        host,
        host_name: "web".to_owned(),
        mode: "direct",
        gateway: None,
        username: "root".to_owned(),
        host_key: "accepted",
        size: Size::DEFAULT,
    };
    store.start_session(&owner, &by(START), &new).await.unwrap();
    let key = NewHostKey {
        key_type: "ssh-ed25519".to_owned(),
        openssh: "ssh-ed25519 AAAA".to_owned(),
        fingerprint: "SHA256:x".to_owned(),
    };
    store.pin_host_key(f.tenant, &by(START), host, "web:22", &key).await.unwrap();
    let pinned = store.host_keys(f.tenant, host).await.unwrap()[0].id;
    let token = NewProvisioningKey {
        hash: "h".to_owned(),
        uses: 1,
        expires_at: START.plus(LOGIN_LIFE),
        approve: false,
        ephemeral: false,
        labels: Vec::new(),
        networks: Vec::new(),
    };
    let token = store.create_provisioning_key(f.tenant, &by(START), token).await.unwrap();
    store.append_event(f.tenant, "hosts", json!({}), START).await.unwrap();
    let docker = DockerInventory::default();
    assert!(store.keep_claim(f.tenant, host, docker.clone(), START).await.unwrap());
    let daily = Settings { update_interval: Some(1_440), ..Settings::default() };
    store.set_host(f.tenant, &by(START), host, daily).await.unwrap().unwrap();

    let (o, by, page) = (f.other, by(START), PageRequest::default());
    let presence = Presence { since: START, reason: "x".to_owned(), secure: true };
    assert!(store.user(o, user).await.unwrap().is_none());
    assert!(store.user_named(o, &"alice".parse().unwrap()).await.unwrap().is_none());
    assert!(store.users(o, &page).await.unwrap().items.is_empty());
    assert!(!store.set_password(o, &by, user, "x").await.unwrap());
    assert!(!store.set_disabled(o, &by, user, true).await.unwrap());
    assert!(!store.set_roles(o, &by, user, &[]).await.unwrap());
    assert!(store.principal_of_login(o, owner.login, true, START).await.unwrap().is_none());
    assert!(!store.end_login(o, &by, owner.login).await.unwrap());
    assert!(store.host(o, host).await.unwrap().is_none());
    assert!(store.hosts(o, &page).await.unwrap().items.is_empty());
    assert!(!store.set_key(o, &by, host, &ApiId::from_random([9; 8]), "x").await.unwrap());
    assert!(!store.patch_host(o, &by, host, HostPatch::default()).await.unwrap());
    for in_place in [false, true] {
        let foreign = store.accept_host(o, &by, host, in_place).await.unwrap();
        assert_eq!(foreign, Accepted::NoHost);
    }
    assert!(!store.delete_host(o, &by, host).await.unwrap());
    assert!(!store.put_presence(o, host, &presence).await.unwrap());
    let (facts, policy) = (HostFacts::default(), PolicyFacts::default());
    assert!(store.put_report(o, host, &facts, &policy, &[22], START).await.unwrap().is_none());
    assert!(store.claim::<DockerInventory>(o, host).await.unwrap().is_none());
    assert!(!store.keep_claim(o, host, docker, START).await.unwrap());
    let (hashes, done) = (Hashes::default(), Done::new(Outcome::Succeeded, None));
    store.patchmon_came(o, host).await.unwrap();
    let update = Update { hostname: "x".to_owned(), ..Update::default() };
    let reported = store.patchmon_report(o, host, update, &hashes, START).await.unwrap();
    assert!(reported.is_none());
    let asked = (Command::DockerInventory, &hashes);
    let claimed = store.patchmon_claim(o, host, asked, START, |_| DockerInventory::default());
    assert!(claimed.await.unwrap().is_none());
    let reports = [Report::default()];
    let scanned = store.patchmon_scans(o, host, &reports, (&done, &hashes), START).await.unwrap();
    assert_eq!(scanned.scans, [None]);
    let answered = store.answer_jobs(o, host, Command::ReportNow, &done, START).await.unwrap();
    assert!(answered.freed.is_empty());
    let own = store.host(f.tenant, host).await.unwrap().unwrap();
    assert!(own.agent != Some(AgentKind::Patchmon) && own.facts == HostFacts::default());
    let changed = store.change_claim(o, host, START, |_: &mut DockerInventory| true);
    assert!(!changed.await.unwrap());
    assert_eq!(store.host_settings(o, host).await.unwrap(), Settings::default());
    assert!(store.set_host(o, &by, host, Settings::default()).await.unwrap().is_none());
    assert!(store.host_keys(o, host).await.unwrap().is_empty());
    assert!(store.attest_host_keys(o, &by, host, std::slice::from_ref(&key)).await.is_err());
    assert!(store.pin_host_key(o, &by, host, "web:22", &key).await.is_err());
    assert!(!store.delete_host_key(o, &by, host, pinned).await.unwrap());
    assert!(!store.accept_attested(o, &by, host, &[]).await.unwrap());
    assert!(store.provisioning_keys(o, START).await.unwrap().is_empty());
    assert!(!store.delete_provisioning_key(o, &by, token).await.unwrap());
    assert!(store.session(o, session).await.unwrap().is_none());
    assert!(store.sessions(o, None, false, &page).await.unwrap().items.is_empty());
    assert!(!store.end_session(o, &by, session, "x").await.unwrap());
    store.detach_session(o, session, &left(START)).await.unwrap();
    assert!(!store.attach_session(o, session).await.unwrap());
    assert!(store.open_sessions_of_host(o, host).await.unwrap().is_empty());
    assert!(store.permissions_of_user(o, user, START).await.unwrap().is_none());
    store.set_detached_life(o, &by, Some(Duration::from_secs(3600))).await.unwrap();
    assert_eq!(store.detached_life(f.tenant).await.unwrap(), None);
    assert_eq!(store.events_after(o, "hosts", 0, 10).await.unwrap().last_seq, 0);
    let seen = store.audit_page(o, &page).await.unwrap().items;
    assert!(
        seen.iter().all(|row| ["tenant.create", "settings.change"].contains(&&*row.action)),
        "{seen:?}"
    );

    // All of it is still there for its own.
    assert!(store.host(f.tenant, host).await.unwrap().unwrap().presence.is_none());
    assert_eq!(store.session(f.tenant, session).await.unwrap().unwrap().state, "open");
    assert_eq!(store.host_keys(f.tenant, host).await.unwrap().len(), 1);
    assert_eq!(store.provisioning_keys(f.tenant, START).await.unwrap().len(), 1);
    assert!(!store.user(f.tenant, user).await.unwrap().unwrap().disabled);
}

#[tokio::test]
async fn usernames_are_unique_over_all_tenants_and_cases() {
    let f = fixture().await;
    user(&f, "alice", "viewer").await;
    let new = NewUser {
        username: "ALICE".parse().unwrap(),
        password_hash: String::new(),
        roles: vec!["viewer".to_owned()],
    };
    let made = f.store.create_user(f.other, &by(START), new.clone()).await;
    assert!(matches!(made, Err(StoreError::Exists(_))));
    let strange = NewUser {
        username: "bob".parse::<Username>().unwrap(),
        roles: vec!["root".to_owned()],
        ..new
    };
    let made = f.store.create_user(f.tenant, &by(START), strange).await;
    assert!(matches!(made, Err(StoreError::Invalid(_))));
    assert!(f.store.candidate(&"bob".parse().unwrap()).await.unwrap().is_none());
    assert!(f.store.candidate(&"Alice".parse().unwrap()).await.unwrap().unwrap().enabled);
    assert!(f.store.has_users().await.unwrap());
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let f = fixture().await;
    let admin = user(&f, "admin", "admin").await;
    let viewer = [Grant::from("viewer".to_owned())];
    let refused = f.store.set_disabled(f.tenant, &by(START), admin, true).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))));
    let refused = f.store.set_roles(f.tenant, &by(START), admin, &viewer).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))));
    let second = user(&f, "second", "admin").await;
    assert!(f.store.set_roles(f.tenant, &by(START), admin, &viewer).await.unwrap());
    assert!(f.store.set_disabled(f.tenant, &by(START), second, true).await.is_err());
    let found = f.store.user(f.tenant, admin).await.unwrap().unwrap();
    assert_eq!(found.roles, viewer);
    let principal = login(&f, admin, None).await;
    assert!(principal.may(Permission::HostsRead) && !principal.may(Permission::CanManageHosts));
}

#[tokio::test]
async fn lists_come_in_pages_without_gaps_or_doubles() {
    let f = fixture().await;
    let mut made = Vec::new();
    for index in 0..7 {
        made.push(host(&f, &format!("host {index}")).await);
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let request = PageRequest { limit: Some(3), cursor };
        let page = f.store.hosts(f.tenant, &request).await.unwrap();
        assert!(page.items.len() <= 3);
        seen.extend(page.items.iter().map(|host| host.id));
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, made);
    let newest = PageRequest { limit: Some(2), cursor: None };
    let audit = f.store.audit_page(f.tenant, &newest).await.unwrap();
    assert_eq!(audit.items[0].seq, audit.items[1].seq + 1);
    let older = PageRequest { limit: Some(1), cursor: audit.next_cursor };
    let older = f.store.audit_page(f.tenant, &older).await.unwrap();
    assert_eq!(older.items[0].seq + 1, audit.items[1].seq);
}
