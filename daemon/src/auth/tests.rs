#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use gangplank_proto::id::TenantId;

use super::*;
use crate::store::tests::{Fixture, START, fixture};
use crate::store::{Arrival, Enrolment, Grant, HostState, NewHost, NewUser};

const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

struct Bench {
    fixture: Fixture,
    auth: Auth,
    clock: Clock,
    tenant: TenantId,
}

async fn bench() -> Bench {
    let fixture = fixture().await;
    let clock = Clock::manual(START);
    let secret = ServerSecret::new(vec![5; 32]);
    let auth = Auth::new(fixture.store.clone(), clock.clone(), &secret);
    let tenant = fixture.tenant;
    Bench { fixture, auth, clock, tenant }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

async fn alice(bench: &Bench) -> gangplank_proto::id::UserId {
    let (by, name) = (By::daemon(START), "alice".parse().unwrap());
    let roles = vec!["operator".to_owned()];
    bench.auth.create_user(bench.tenant, &by, name, &secret("correct horse"), roles).await.unwrap()
}

fn invalid<T>(result: &Result<T, AuthError>) -> bool {
    matches!(result, Err(AuthError::Invalid))
}

#[tokio::test]
async fn a_login_gives_a_cookie_that_logout_ends() {
    let bench = bench().await;
    alice(&bench).await;
    let login = bench.auth.login("Alice", &secret("correct horse"), SOURCE).await.unwrap();
    assert_eq!(login.principal.username, "alice");
    assert_eq!(login.principal.roles, ["operator"]);
    assert!(login.principal.may(Permission::CanManageHosts));
    assert!(!login.principal.may(Permission::UsersManage));
    let again = bench.auth.cookie(login.cookie.expose()).await.unwrap();
    assert_eq!(again, login.principal);
    let mut listener = bench.auth.revocations().listen();
    bench.auth.logout(&login.principal, Some(SOURCE)).await.unwrap();
    let ended = News::Change(Change::LoginEnded(login.principal.login));
    assert_eq!(listener.next().await, ended);
    assert!(invalid(&bench.auth.cookie(login.cookie.expose()).await));
    assert_eq!(bench.auth.recheck(&login.principal).await.unwrap(), None);
}

#[tokio::test]
async fn wrong_unknown_and_disabled_are_alike() {
    let bench = bench().await;
    let alice = alice(&bench).await;
    let wrong = bench.auth.login("alice", &secret("wrong"), SOURCE).await;
    let unknown = bench.auth.login("bob", &secret("correct horse"), SOURCE).await;
    let strange = bench.auth.login("' OR 1=1 --", &secret("x"), SOURCE).await;
    let by = By::daemon(START);
    bench.auth.set_disabled(bench.tenant, &by, alice, true).await.unwrap();
    let disabled = bench.auth.login("alice", &secret("correct horse"), SOURCE).await;
    for result in [&wrong, &unknown, &strange, &disabled] {
        assert!(invalid(result));
    }
    assert_eq!(wrong.unwrap_err().to_string(), unknown.unwrap_err().to_string());
}

#[tokio::test]
async fn an_imported_bcrypt_hash_is_replaced_at_the_first_login() {
    let bench = bench().await;
    let new = NewUser {
        username: "bob".parse().unwrap(),
        password_hash: bcrypt::hash("short", 4).unwrap(),
        roles: vec!["viewer".to_owned()],
    };
    let store = &bench.fixture.store;
    store.create_user(bench.tenant, &By::daemon(START), new).await.unwrap();
    for _ in 0..2 {
        bench.auth.login("bob", &secret("short"), SOURCE).await.unwrap();
        let now = store.candidate(&"bob".parse().unwrap()).await.unwrap().unwrap();
        assert!(now.password_hash.starts_with("$argon2id$"));
    }
}

#[tokio::test]
async fn access_tokens_hang_on_their_login_and_purpose() {
    let bench = bench().await;
    let alice = alice(&bench).await;
    let token = bench.auth.token("alice", &secret("correct horse"), SOURCE).await.unwrap();
    let principal = bench.auth.bearer(token.token.expose(), API_AUDIENCE).await.unwrap();
    let path = "/api/v1/ws/events";
    assert!(invalid(&bench.auth.bearer(token.token.expose(), path).await));
    let socket = bench.auth.token_for(&principal, path).unwrap();
    assert!(bench.auth.bearer(socket.token.expose(), path).await.is_ok());
    assert!(invalid(&bench.auth.bearer(socket.token.expose(), API_AUDIENCE).await));
    bench.clock.advance(SOCKET_TOKEN_LIFE);
    assert!(invalid(&bench.auth.bearer(socket.token.expose(), path).await));
    bench.clock.advance(TOKEN_LIFE);
    assert!(invalid(&bench.auth.bearer(token.token.expose(), API_AUDIENCE).await));
    // What it opened stays open, until the user may no longer.
    assert!(bench.auth.recheck(&principal).await.unwrap().is_some());
    let fresh = bench.auth.token("alice", &secret("correct horse"), SOURCE).await.unwrap();
    let by = By::daemon(START);
    bench.auth.set_disabled(bench.tenant, &by, alice, true).await.unwrap();
    assert!(invalid(&bench.auth.bearer(fresh.token.expose(), API_AUDIENCE).await));
    assert!(bench.auth.recheck(&principal).await.unwrap().is_none());
}

#[tokio::test]
async fn rights_taken_away_are_told_and_gone() {
    let bench = bench().await;
    let alice = alice(&bench).await;
    let login = bench.auth.login("alice", &secret("correct horse"), SOURCE).await.unwrap();
    let mut listener = bench.auth.revocations().listen();
    let (by, viewer) = (By::daemon(START), [Grant::from("viewer".to_owned())]);
    assert!(bench.auth.set_roles(bench.tenant, &by, alice, &viewer).await.unwrap());
    assert_eq!(listener.next().await, News::Change(Change::UserChanged(alice)));
    let now = bench.auth.recheck(&login.principal).await.unwrap().unwrap();
    assert!(!now.may(Permission::CanManageHosts));
}

#[tokio::test]
async fn unknown_ids_and_wrong_keys_of_agents_are_alike() {
    let bench = bench().await;
    let by = By::daemon(START);
    let new = NewHost { friendly_name: "web".to_owned(), ..NewHost::default() };
    let (host, credential) = bench.auth.create_host(bench.tenant, &by, new).await.unwrap();
    let (id, key) = (credential.api_id.as_str(), credential.api_key.expose());
    assert!(id.starts_with("gp_") && id.len() == 19);
    let agent = bench.auth.agent(id, key, None).await.unwrap();
    assert_eq!((agent.host, agent.state), (host, HostState::Live));
    let stored = bench.fixture.store.stored_key(&credential.api_id).await.unwrap().unwrap();
    assert!(!stored.key_hash.contains(key));
    let upper = key.to_uppercase();
    let long = "k".repeat(100_000);
    let cases = [
        (id, ""),
        (id, "wrong"),
        (id, upper.as_str()),
        (id, long.as_str()),
        ("gp_0000000000000000", key),
        ("", key),
        ("not an id", key),
        (id, stored.key_hash.as_str()),
    ];
    for (id, key) in cases {
        let refused = bench.auth.agent(id, key, None).await;
        assert!(invalid(&refused), "{id:?} {key:?}");
        assert_eq!(refused.unwrap_err().to_string(), AuthError::Invalid.to_string());
    }
}

#[tokio::test]
async fn imported_keys_are_upgraded_by_one_good_login() {
    let bench = bench().await;
    let forms = ["0123456789abcdef".to_owned(), bcrypt::hash("0123456789abcdef", 4).unwrap()];
    for (index, form) in forms.into_iter().enumerate() {
        let api_id: ApiId = format!("patchmon_{index}").parse().unwrap();
        let new = NewHost { friendly_name: "old".to_owned(), ..NewHost::default() };
        let enrolment = Enrolment {
            api_id: api_id.clone(),
            key_hash: form.clone(),
            state: HostState::Live,
            ephemeral: false,
        };
        let store = &bench.fixture.store;
        store.create_host(bench.tenant, &By::daemon(START), new, enrolment).await.unwrap();
        let form_now = async || store.stored_key(&api_id).await.unwrap().unwrap().key_hash;
        assert!(invalid(&bench.auth.agent(api_id.as_str(), "wrong", None).await));
        assert_eq!(form_now().await, form);
        for _ in 0..2 {
            bench.auth.agent(api_id.as_str(), "0123456789abcdef", None).await.unwrap();
            assert!(form_now().await.starts_with("gpk1$"));
        }
    }
}

#[tokio::test]
async fn another_credential_ends_the_old_one() {
    let bench = bench().await;
    let by = By::daemon(START);
    let new = NewHost { friendly_name: "web".to_owned(), ..NewHost::default() };
    let (host, old) = bench.auth.create_host(bench.tenant, &by, new).await.unwrap();
    let mut listener = bench.auth.revocations().listen();
    let fresh = bench.auth.regenerate_credential(bench.tenant, &by, host).await.unwrap().unwrap();
    let change = Change::HostKeyChanged(bench.tenant, host);
    assert_eq!(listener.next().await, News::Change(change));
    assert!(invalid(&bench.auth.agent(old.api_id.as_str(), old.api_key.expose(), None).await));
    let agent = bench.auth.agent(fresh.api_id.as_str(), fresh.api_key.expose(), None).await;
    assert_eq!(agent.unwrap().host, host);
    let elsewhere = bench.auth.regenerate_credential(bench.fixture.other, &by, host).await;
    assert!(elsewhere.unwrap().is_none());
    assert!(bench.auth.delete_host(bench.tenant, &by, host).await.unwrap());
    let gone = bench.auth.agent(fresh.api_id.as_str(), fresh.api_key.expose(), None).await;
    assert!(invalid(&gone));
}

#[tokio::test]
async fn a_provisioning_token_is_neither_a_key_nor_guessed() {
    let bench = bench().await;
    let by = By::daemon(START);
    let new = NewToken {
        uses: 1,
        life: Duration::from_secs(3600),
        approve: true,
        ephemeral: false,
        labels: Vec::new(),
        networks: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
    };
    let made = bench.auth.create_token(bench.tenant, &by, new.clone()).await.unwrap();
    let token = made.token.expose();
    let from = |source: Option<&str>| Arrival {
        source: source.map(|source| source.parse().unwrap()),
        host: NewHost { friendly_name: "web".to_owned(), ..NewHost::default() },
        ..Arrival::default()
    };
    let inside = || from(Some("2001:db8::7"));
    for wrong in ["", "gpt_", &token[4..], &token.replace("gpt_", "gpx_"), &format!("{token}0")] {
        assert!(invalid(&bench.auth.enrol(wrong, inside()).await), "{wrong}");
    }
    for elsewhere in [None, Some("198.51.100.1"), Some("2001:db9::1"), Some("::ffff:198.51.100.1")]
    {
        let refused = bench.auth.enrol(token, from(elsewhere)).await;
        assert!(matches!(refused, Err(AuthError::Network)), "{elsewhere:?}");
    }
    // It was not used up, and an IPv4 address may come as an IPv6 one.
    let admitted = bench.auth.enrol(token, from(Some("::ffff:192.0.2.9"))).await.unwrap();
    assert_eq!(admitted.state, HostState::Pending);
    let (id, key) = (&admitted.credential.api_id, &admitted.credential.api_key);
    assert_eq!(
        bench.auth.agent(id.as_str(), key.expose(), None).await.unwrap().host,
        admitted.host
    );
    assert!(invalid(&bench.auth.enrol(token, inside()).await));
    assert!(invalid(&bench.auth.enrol(key.expose(), inside()).await));
    assert!(invalid(&bench.auth.agent(id.as_str(), token, None).await));
    for (uses, hours) in [(0, 1), (10_001, 1), (1, 0), (1, 24 * 31)] {
        let life = Duration::from_secs(hours * 3600);
        let refused =
            bench.auth.create_token(bench.tenant, &by, NewToken { uses, life, ..new.clone() });
        assert!(refused.await.is_err());
    }
}

#[tokio::test]
async fn a_role_given_for_a_while_ends_by_the_clock() {
    let bench = bench().await;
    let alice = alice(&bench).await;
    let login = bench.auth.login("alice", &secret("correct horse"), SOURCE).await.unwrap();
    let by = By::daemon(START);
    let an_hour = Duration::from_secs(3600);
    let past = [Grant { role: "admin".to_owned(), expires_at: Some(START) }];
    assert!(bench.auth.set_roles(bench.tenant, &by, alice, &past).await.is_err());
    let roles = [
        Grant::from("viewer".to_owned()),
        Grant { role: "admin".to_owned(), expires_at: Some(START.plus(an_hour)) },
    ];
    assert!(bench.auth.set_roles(bench.tenant, &by, alice, &roles).await.unwrap());
    let now = bench.auth.recheck(&login.principal).await.unwrap().unwrap();
    assert!(now.may(Permission::Admin));
    bench.auth.expire().await.unwrap();
    let mut listener = bench.auth.revocations().listen();
    bench.clock.advance(an_hour);
    let now = bench.auth.recheck(&login.principal).await.unwrap().unwrap();
    assert!(!now.may(Permission::Admin) && now.may(Permission::HostsRead));
    bench.auth.expire().await.unwrap();
    assert_eq!(listener.next().await, News::Change(Change::UserChanged(alice)));
    let user = bench.fixture.store.user(bench.tenant, alice).await.unwrap().unwrap();
    assert_eq!(user.roles, [Grant::from("viewer".to_owned())]);
}

#[tokio::test]
async fn an_api_token_does_what_it_was_made_for_until_its_end() {
    let bench = bench().await;
    let alice = alice(&bench).await;
    let login = bench.auth.login("alice", &secret("correct horse"), SOURCE).await.unwrap();
    let (by, day) = (By::daemon(START), Duration::from_secs(24 * 3600));
    let make = |name: &str, scopes: Vec<Permission>| {
        bench.auth.create_api_token(&login.principal, &by, name.to_owned(), scopes, day)
    };
    let scopes = vec![Permission::HostsRead, Permission::AuditRead];
    let made = make("ci", scopes).await.unwrap();
    let text = made.token.expose();
    assert!(text.starts_with("gpat_") && text.len() == 69);
    let who = bench.auth.bearer(text, API_AUDIENCE).await.unwrap();
    assert_eq!((who.user, who.api_token), (alice, Some(made.id)));
    // No more than it was made for, and no more than its user has.
    assert!(who.may(Permission::HostsRead) && !who.may(Permission::CanManageHosts));
    assert!(!who.may(Permission::AuditRead));
    assert!(invalid(&bench.auth.bearer(text, "/bullboard").await));
    for wrong in ["gpat_", "gpat_00", &text.replace("gpat_", "gpt_"), &text.to_uppercase()] {
        assert!(invalid(&bench.auth.bearer(wrong, API_AUDIENCE).await), "{wrong}");
    }
    let listed = |user| {
        let page = crate::store::PageRequest::default();
        let store = bench.fixture.store.clone();
        async move { store.api_tokens(bench.tenant, user, &page).await.unwrap().items }
    };
    assert_eq!(listed(Some(alice)).await[0].last_used_at, Some(START));
    // Revoked, it is gone with what it opened.
    let mut listener = bench.auth.revocations().listen();
    assert!(bench.auth.revoke_api_token(bench.tenant, &by, made.id, Some(alice)).await.unwrap());
    assert_eq!(listener.next().await, News::Change(Change::LoginEnded(who.login)));
    assert!(invalid(&bench.auth.bearer(text, API_AUDIENCE).await));
    assert!(bench.auth.recheck(&who).await.unwrap().is_none());
    // So it is at its end, also for what is open.
    let made = make("nightly", vec![Permission::HostsRead]).await.unwrap();
    let who = bench.auth.bearer(made.token.expose(), API_AUDIENCE).await.unwrap();
    bench.clock.advance(day);
    assert!(bench.auth.recheck(&who).await.unwrap().is_none());
    bench.auth.expire().await.unwrap();
    assert!(listed(None).await.is_empty());
    // And when its user is locked out.
    let made = make("late", vec![Permission::HostsRead]).await.unwrap();
    bench.auth.set_disabled(bench.tenant, &by, alice, true).await.unwrap();
    bench.auth.set_disabled(bench.tenant, &by, alice, false).await.unwrap();
    assert!(invalid(&bench.auth.bearer(made.token.expose(), API_AUDIENCE).await));
}
