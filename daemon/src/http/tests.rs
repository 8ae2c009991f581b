//! The escape test: walks the route table and shows that no route lets anybody in whom its entry
//! does not name.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use gangplank_proto::id::{HostId, TenantId};
use gangplank_proto::job::Command;
use gangplank_proto::secret::Secret;
use gangplank_terminal::keeper::{Keeper, KeeperConfig};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::route::{Credential, Kind, OriginRule, Route};
use super::routes;
use crate::app::{App, Parts, Trust};
use crate::audit::By;
use crate::auth::{Auth, Permission, ServerSecret};
use crate::clock::Clock;
use crate::config::{Config, RunMode, Sources};
use crate::identity::Door;
use crate::job;
use crate::keeper::DirectKeeper;
use crate::listener::{ListenerKind, Peer};
use crate::store::{DataDir, NewBatch, NewHost, NewJob, Selector, Store};

mod approvals;
mod compliance;

const ORIGIN: &str = "https://localhost:8443";
const PASSWORD: &str = "a long enough password";

/// Two tenants, each with an administrator and a host; and one user who may do nothing.
struct World {
    app: Arc<App>,
    router: Router,
    host: HostId,
    other_host: HostId,
    admin: Person,
    other_admin: Person,
    powerless: Person,
    agent: (String, String),
    /// The other host's device key.
    other_agent: String,
    /// The token of internal services.
    internal: String,
    _directory: tempfile::TempDir,
}

struct Person {
    bearer: String,
    cookie: String,
}

async fn person(app: &App, tenant: TenantId, name: &str, roles: &[&str]) -> Person {
    let by = By::daemon(app.clock.now());
    let password = Secret::new(PASSWORD.to_owned());
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    let user = name.parse().unwrap();
    app.auth.create_user(tenant, &by, user, &password, roles).await.unwrap();
    let here = "127.0.0.1".parse().unwrap();
    let login = app.auth.login(name, &password, here).await.unwrap();
    let token = app.auth.token(name, &password, here).await.unwrap();
    Person { bearer: token.token.expose().to_owned(), cookie: login.cookie.expose().to_owned() }
}

async fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let mut sources = Sources::default();
    let path = directory.path().to_str().unwrap().to_owned();
    let internal = crate::random::token().unwrap().expose().to_owned();
    sources.environment.insert("GANGPLANK_INTERNAL__TOKEN".to_owned(), internal.clone());
    // Every route times every wrong credential is more than anybody may try in a minute.
    let failures = "GANGPLANK_LIMITS__AUTH_FAILURES_PER_MINUTE_PER_IP";
    sources.environment.insert(failures.to_owned(), "1000000".to_owned());
    sources.flags.push(("data_dir", "--data-dir", path));
    let config = Config::load(&sources, RunMode::Up).unwrap();
    let store = Store::open(DataDir::open(directory.path()).unwrap()).await.unwrap();
    let clock = Clock::system();
    let by = By::daemon(clock.now());
    let first = store.bootstrap(&by).await.unwrap();
    let second = store.create_tenant(&by, "second").await.unwrap();
    let auth = Auth::new(store.clone(), clock.clone(), &ServerSecret::new(vec![7; 32]));
    let tracker = TaskTracker::new();
    let stop = CancellationToken::new();
    let app = App::new(Parts {
        config,
        doors: vec![Door { addr: "127.0.0.1:8443".parse().unwrap(), kind: ListenerKind::Tls }],
        first_tenant: first.id,
        keeper: DirectKeeper::new(
            Keeper::new(KeeperConfig::default(), tracker.clone(), stop),
            None,
        ),
        store,
        clock,
        auth,
        webhooks: crate::webhook::Webhooks::new(&ServerSecret::new(vec![7; 32])),
        tracker,
        trust: Some(Trust { ca_pem: "PEM".to_owned(), fingerprint: "AA:BB".to_owned() }),
    });
    let named = |name: &str| NewHost { friendly_name: name.to_owned(), ..NewHost::default() };
    let (host, credential) = app.auth.create_host(first.id, &by, named("one")).await.unwrap();
    let (other_host, other) = app.auth.create_host(second.id, &by, named("two")).await.unwrap();
    World {
        admin: person(&app, first.id, "alice", &["admin", "platform"]).await,
        other_admin: person(&app, second.id, "bob", &["admin"]).await,
        powerless: person(&app, first.id, "carol", &[]).await,
        agent: (credential.api_id.to_string(), credential.api_key.expose().to_owned()),
        other_agent: format!("{}.{}", other.api_id, other.api_key.expose()),
        router: super::router(&app),
        internal,
        host,
        other_host,
        app,
        _directory: directory,
    }
}

/// What a request to a route is made with.
#[derive(Default)]
struct With<'a> {
    bearer: Option<&'a str>,
    cookie: Option<&'a str>,
    query: Option<&'a str>,
    agent: Option<(&'a str, &'a str)>,
    provisioning: Option<&'a str>,
    device: Option<&'a str>,
    internal: Option<&'a str>,
    /// The `Origin`, when it isn't the one that the route wants.
    origin: Option<&'a str>,
    authority: Option<&'a str>,
    host_id: Option<String>,
    /// Of a job, a batch, a scan, a schedule, a tenant, or the name of a rule.
    object_id: Option<String>,
}

impl World {
    async fn ask(&self, route: &Route, with: With<'_>) -> (StatusCode, Vec<u8>) {
        let host = with.host_id.unwrap_or_else(|| self.host.to_string());
        let random = HostId::new().to_string();
        let path = route
            .path
            .replace("{host_id}", &host)
            .replace("{*path}", "login")
            .replace("{key_id}", &random)
            .replace("{session_id}", &random)
            .replace("{job_id}", with.object_id.as_ref().unwrap_or(&random))
            .replace("{batch_id}", with.object_id.as_ref().unwrap_or(&random))
            .replace("{scan_id}", with.object_id.as_ref().unwrap_or(&random))
            .replace("{schedule_id}", with.object_id.as_ref().unwrap_or(&random))
            .replace("{channel}", "alerts")
            .replace("{approval_id}", with.object_id.as_ref().unwrap_or(&random))
            .replace("{policy_id}", with.object_id.as_ref().unwrap_or(&random))
            .replace("{webhook_id}", with.object_id.as_ref().unwrap_or(&random))
            .replace("{delivery_id}", &random)
            .replace("{rule}", with.object_id.as_ref().unwrap_or(&random))
            .replace("{tenant}", with.object_id.as_ref().unwrap_or(&random))
            .replace("{role}", with.object_id.as_ref().unwrap_or(&random))
            .replace("{token_id}", with.object_id.as_ref().unwrap_or(&random))
            .replace("{tenant_id}", with.object_id.as_ref().unwrap_or(&random))
            .replace("{user_id}", &random);
        let query = match (route.path, with.query) {
            (_, Some(query)) => format!("?{query}&topics=hosts"),
            ("/api/v1/ws/events", None) => "?topics=hosts".to_owned(),
            _ => String::new(),
        };
        let mut request = Request::builder()
            .method(route.method.clone())
            .uri(format!("{path}{query}"))
            .header(header::HOST, with.authority.unwrap_or("localhost:8443"));
        let wants_origin = matches!(route.origin, OriginRule::Ours | OriginRule::OursWithCookie);
        match with.origin {
            Some("none") => {}
            Some(origin) => request = request.header(header::ORIGIN, origin),
            None if wants_origin => request = request.header(header::ORIGIN, ORIGIN),
            None => {}
        }
        if route.kind.is_socket() {
            request = request
                .header(header::UPGRADE, "websocket")
                .header(header::CONNECTION, "Upgrade")
                .header(header::SEC_WEBSOCKET_VERSION, "13")
                .header(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==");
        }
        if let Some(token) = with.bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(cookie) = with.cookie {
            request = request.header(header::COOKIE, format!("__Host-session={cookie}"));
        }
        if let Some((id, key)) = with.agent {
            request = request.header("x-api-id", id).header("x-api-key", key);
        }
        if let Some(key) = with.provisioning {
            request = request.header("x-provisioning-key", key);
        }
        if let Some(key) = with.device {
            request = request.header("x-device-key", key);
        }
        if let Some(token) = with.internal {
            request = request.header("x-internal-token", token);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer {
            addr: "127.0.0.1".parse().unwrap(),
            port: 40_000,
            secure: true,
            listener: ListenerKind::Tls,
        });
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        for name in ["content-security-policy", "x-content-type-options", "referrer-policy"] {
            assert!(response.headers().contains_key(name), "{route:?}: no {name}");
        }
        if route.kind.is_socket() && status != StatusCode::SWITCHING_PROTOCOLS {
            assert_eq!(response.headers()[header::CONNECTION], "close", "{route:?}");
        }
        (status, response.into_body().collect().await.unwrap().to_bytes().to_vec())
    }
}

fn guarded() -> impl Iterator<Item = &'static Route> {
    routes().iter().filter(|route| !route.credentials.is_empty())
}

/// Routes that are open on purpose. A new one has to be written down here, too.
#[test]
fn what_is_open_is_named() {
    let open: Vec<_> = routes().iter().filter(|route| route.credentials.is_empty()).collect();
    let open: Vec<_> = open.iter().map(|route| format!("{route:?}")).collect();
    assert_eq!(
        open,
        [
            "GET /healthz",
            "GET /readyz",
            "GET /ca.pem",
            "GET /api/v1/trust",
            "GET /api/v1/openapi.json",
            "GET /install.sh",
            "GET /api/v1/agent/download",
            "GET /api/v1/agent/manifest",
            "GET /api/v1/agent/signature",
            "GET /",
            "GET /{*path}",
            "POST /api/v1/auth/login",
            "POST /api/v1/auth/token",
            "POST /api/v1/auth/passkey/start",
            "POST /api/v1/auth/passkey",
            "GET /api/v1/auth/methods",
            "GET /api/v1/auth/oidc/start",
            "GET /api/v1/auth/oidc/callback",
            "POST /api/v1/hosts/bootstrap/exchange",
            "GET /api/v1/hosts/remove",
        ]
    );
    for route in guarded() {
        let socket = route.kind.is_socket();
        assert!(!socket || route.origin != OriginRule::Any, "{route:?}: any origin");
        let cookie = route.credentials.contains(&Credential::Cookie);
        assert!(!cookie || route.origin != OriginRule::Any, "{route:?}: any origin with a cookie");
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_credential_or_with_a_wrong_one() {
    let world = world().await;
    let junk = "0".repeat(64);
    let (id, _) = &world.agent;
    for route in guarded() {
        let (status, plain) = world.ask(route, With::default()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{route:?}: no credential");
        let wrong = [
            With { bearer: Some(&junk), ..With::default() },
            With { cookie: Some(&junk), ..With::default() },
            With { query: Some("ticket=0000"), ..With::default() },
            With { query: Some("token=e30.e30.e30"), ..With::default() },
            With { agent: Some((id, &junk)), ..With::default() },
            With { agent: Some(("gp_0000000000000000", &junk)), ..With::default() },
            With { provisioning: Some(&junk), ..With::default() },
            With { device: Some(&junk), ..With::default() },
            With { device: Some(&format!("{id}.{junk}")), ..With::default() },
            With { internal: Some(&junk), ..With::default() },
            With { internal: Some(""), ..With::default() },
        ];
        for (n, with) in wrong.into_iter().enumerate() {
            // A body is read before a provisioning key is used up; an empty one is a device.
            let (status, body) = world.ask(route, with).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{route:?}: wrong credential {n}");
            assert_eq!(body, plain, "{route:?}: wrong credential {n} answers other bytes");
        }
    }
}

#[tokio::test]
async fn a_credential_of_another_kind_opens_nothing() {
    let world = world().await;
    let (id, key) = &world.agent;
    for route in guarded() {
        let takes = |credential| route.credentials.contains(&credential);
        if !takes(Credential::AgentKey) {
            let with = With { agent: Some((id, key)), ..With::default() };
            assert_eq!(world.ask(route, with).await.0, StatusCode::UNAUTHORIZED, "{route:?}");
        }
        if !takes(Credential::DeviceKey) {
            let device = format!("{id}.{key}");
            let with = With { device: Some(&device), ..With::default() };
            assert_eq!(world.ask(route, with).await.0, StatusCode::UNAUTHORIZED, "{route:?}");
        }
        if !takes(Credential::InternalToken) {
            let with = With { internal: Some(&world.internal), ..With::default() };
            assert_eq!(world.ask(route, with).await.0, StatusCode::UNAUTHORIZED, "{route:?}");
        }
        if !takes(Credential::Cookie) {
            let with = With { cookie: Some(&world.admin.cookie), ..With::default() };
            assert_eq!(world.ask(route, with).await.0, StatusCode::UNAUTHORIZED, "{route:?}");
        }
        if !takes(Credential::Bearer) {
            let with = With { bearer: Some(&world.admin.bearer), ..With::default() };
            assert_eq!(world.ask(route, with).await.0, StatusCode::UNAUTHORIZED, "{route:?}");
        }
    }
}

#[tokio::test]
async fn an_internal_service_is_told_by_its_token_about_every_tenant() {
    let world = world().await;
    let license = guarded().find(|route| route.path == "/internal/v1/license/{tenant}").unwrap();
    let ask = |tenant: String| {
        let (world, internal) = (&world, Some(world.internal.as_str()));
        let with = With { internal, object_id: Some(tenant), ..With::default() };
        world.ask(license, with)
    };
    let first = world.app.first_tenant.to_string();
    for tenant in [first.as_str(), "default", "second"] {
        let (status, body) = ask(tenant.to_owned()).await;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &body["active"]), (StatusCode::OK, &true.into()), "{tenant}: {body}");
    }
    assert_eq!(ask("third".to_owned()).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_foreign_page_gets_nowhere() {
    let world = world().await;
    for route in routes() {
        let origins = [
            "https://evil.example",
            "null",
            "https://localhost:8443.evil.example",
            "http://localhost:8443",
        ];
        for origin in origins {
            let with = With {
                cookie: Some(&world.admin.cookie),
                agent: Some((&world.agent.0, &world.agent.1)),
                origin: Some(origin),
                ..With::default()
            };
            let (status, _) = world.ask(route, with).await;
            let refused = match route.origin {
                OriginRule::Any => false,
                OriginRule::OursWithCookie => !route.method.is_safe(),
                OriginRule::Ours | OriginRule::Absent => true,
            };
            if refused {
                assert_eq!(status, StatusCode::FORBIDDEN, "{route:?} from {origin}");
            }
        }
        if route.origin == OriginRule::Ours {
            let with =
                With { cookie: Some(&world.admin.cookie), origin: Some("none"), ..With::default() };
            let (status, _) = world.ask(route, with).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{route:?} without an origin");
        }
    }
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_misdirected() {
    let world = world().await;
    for route in routes() {
        for authority in ["evil.example", "localhost.evil.example:8443", "169.254.169.254"] {
            let with = With {
                bearer: Some(&world.admin.bearer),
                authority: Some(authority),
                ..With::default()
            };
            let (status, _) = world.ask(route, with).await;
            assert_eq!(status, StatusCode::MISDIRECTED_REQUEST, "{route:?} as {authority}");
        }
    }
}

#[tokio::test]
async fn a_missing_permission_is_refused_and_audited() {
    let world = world().await;
    let mut refused = 0;
    for route in guarded().filter(|route| route.permission.is_some()) {
        for with in [
            With { bearer: Some(&world.powerless.bearer), ..With::default() },
            With { cookie: Some(&world.powerless.cookie), ..With::default() },
        ] {
            assert_eq!(world.ask(route, with).await.0, StatusCode::FORBIDDEN, "{route:?}");
            refused += 1;
        }
    }
    let events = routes().iter().find(|route| route.path == "/api/v1/ws/events").unwrap();
    let with = With { bearer: Some(&world.powerless.bearer), ..With::default() };
    assert_eq!(world.ask(events, with).await.0, StatusCode::FORBIDDEN, "a topic's permission");
    let page = crate::store::PageRequest { limit: Some(500), cursor: None };
    let rows = world.app.store.audit_page(world.app.first_tenant, &page).await.unwrap();
    let audited = rows.items.iter().filter(|row| row.outcome == "refused").count();
    assert!(audited > refused, "{audited} of {refused} refusals are in the audit");
}

#[tokio::test]
async fn another_tenant_s_host_is_one_that_does_not_exist() {
    let world = world().await;
    for route in guarded().filter(|route| route.path.contains("{host_id}")) {
        for (who, host) in [
            (&world.admin, world.other_host.to_string()),
            (&world.other_admin, world.host.to_string()),
            (&world.admin, HostId::new().to_string()),
            (&world.admin, "not-an-id".to_owned()),
        ] {
            let with = |bearer| With {
                bearer: Some(bearer),
                host_id: Some(host.clone()),
                ..With::default()
            };
            let (status, body) = world.ask(route, with(&who.bearer)).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{route:?} with {host}");
            assert_eq!(body, br#"{"code":"not_found","error":"not found"}"#, "{route:?}");
        }
    }
    // Lists show one's own.
    for (who, host) in [(&world.admin, world.host), (&world.other_admin, world.other_host)] {
        let list = routes().iter().find(|r| r.path == "/api/v1/hosts" && r.method == Method::GET);
        let with = With { bearer: Some(&who.bearer), ..With::default() };
        let (_, body) = world.ask(list.unwrap(), with).await;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["items"].as_array().unwrap().len(), 1);
        assert_eq!(body["items"][0]["id"], host.to_string());
    }
}

#[tokio::test]
async fn another_tenant_s_job_is_one_that_does_not_exist() {
    let world = world().await;
    let (first, by) = (world.app.first_tenant, By::daemon(world.app.clock.now()));
    let new = NewJob {
        command: Command::ReportNow,
        params: serde_json::json!({}),
        priority: 5,
        retries: 0,
        not_before: by.at,
        deadline: by.at.plus(std::time::Duration::from_secs(60)),
        idempotency_key: None,
    };
    let job = job::order(&world.app, first, &by, world.host, &new).await.unwrap().unwrap();
    let spread = std::time::Duration::ZERO;
    let new = NewBatch {
        job: new,
        selector: Selector::Hosts(vec![world.host]),
        rings: true,
        max_failures: 0,
    };
    let batch = job::order_many(&world.app, first, &by, &new, spread).await.unwrap().batch;
    let ids = [("{job_id}", job.to_string()), ("{batch_id}", batch.to_string())];
    for (name, id) in ids {
        let routes = guarded().filter(|route| route.path.contains(name));
        for route in routes.filter(|route| route.kind == Kind::Person) {
            let with = With {
                bearer: Some(&world.other_admin.bearer),
                object_id: Some(id.clone()),
                ..With::default()
            };
            let (status, body) = world.ask(route, with).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{route:?}");
            assert_eq!(body, br#"{"code":"not_found","error":"not found"}"#, "{route:?}");
        }
        let own = With {
            bearer: Some(&world.admin.bearer),
            object_id: Some(id.clone()),
            ..With::default()
        };
        let get = guarded().find(|r| r.path.ends_with(name) && r.method == Method::GET);
        assert_eq!(world.ask(get.unwrap(), own).await.0, StatusCode::OK);
    }
    // Nor is it on another tenant's board.
    let other = world.app.auth.cookie(&world.other_admin.cookie).await.unwrap().tenant;
    let board = world.app.store.job_board(other).await.unwrap();
    assert_eq!((board.seq, board.counts.len()), (0, 0));
    assert!(board.queued.is_empty() && board.batches.is_empty());
    let tally = world.app.store.job_tally(other, [batch]).await.unwrap();
    assert!(tally.counts.is_empty() && tally.batches.is_empty());
    let board = world.app.store.job_board(first).await.unwrap();
    assert_eq!((board.queued.len(), board.batches.len()), (2, 1));
    // An agent posts about its own host's jobs only.
    let result = guarded().find(|r| r.path == "/api/v1/commands/{job_id}/result").unwrap();
    let posts = |device: &str, job: String| {
        let device = device.to_owned();
        let world = &world;
        async move {
            let with = With { device: Some(&device), object_id: Some(job), ..With::default() };
            world.ask(result, with).await
        }
    };
    let own = format!("{}.{}", world.agent.0, world.agent.1);
    let (status, unknown) = posts(&own, HostId::new().to_string()).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(posts(&world.other_agent, job.to_string()).await, (status, unknown));
    // Its own is found, and the empty body is not a result.
    assert_eq!(posts(&own, job.to_string()).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_administrator_gets_through_where_the_table_says_so() {
    let world = world().await;
    // What ends the login or removes the host would change the answers of what follows.
    let spared = ["/api/v1/auth/logout"];
    for route in guarded().filter(|route| !spared.contains(&route.path)) {
        if !matches!(route.kind, Kind::Person | Kind::PersonSocket)
            || (route.method == Method::DELETE && route.path == "/api/v1/hosts/{host_id}")
        {
            continue;
        }
        let with = With { cookie: Some(&world.admin.cookie), ..With::default() };
        let (status, body) = world.ask(route, with).await;
        let body = String::from_utf8_lossy(&body);
        let gate = [
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::MISDIRECTED_REQUEST,
            StatusCode::METHOD_NOT_ALLOWED,
        ];
        assert!(!gate.contains(&status), "{route:?}: {status} {body}");
        assert!(!status.is_server_error(), "{route:?}: {status} {body}");
    }
    assert!(world.app.auth.cookie(&world.admin.cookie).await.unwrap().may(Permission::Admin));
}
