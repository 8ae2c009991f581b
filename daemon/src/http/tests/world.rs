//! A daemon without a socket, with two tenants in it, and what a request to it is made with.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use gangplank_proto::id::{HostId, TenantId};
use gangplank_proto::secret::Secret;
use gangplank_terminal::keeper::{Keeper, KeeperConfig};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::app::{App, Parts, Trust};
use crate::audit::By;
use crate::auth::{Auth, ServerSecret};
use crate::clock::Clock;
use crate::config::{Config, RunMode, Sources};
use crate::http::route::{OriginRule, Route};
use crate::http::router;
use crate::identity::Door;
use crate::keeper::DirectKeeper;
use crate::listener::{ListenerKind, Peer};
use crate::store::{DataDir, NewHost, Store};

pub(super) const ORIGIN: &str = "https://localhost:8443";
pub(super) const PASSWORD: &str = "a long enough password";

/// Two tenants, each with an administrator and a host; and one user who may do nothing.
pub(super) struct World {
    pub(super) app: Arc<App>,
    pub(super) router: Router,
    pub(super) host: HostId,
    pub(super) other_host: HostId,
    pub(super) admin: Person,
    pub(super) other_admin: Person,
    pub(super) powerless: Person,
    pub(super) agent: (String, String),
    /// The other host's device key.
    pub(super) other_agent: String,
    /// The token of internal services.
    pub(super) internal: String,
    _directory: tempfile::TempDir,
}

pub(super) struct Person {
    pub(super) bearer: String,
    pub(super) cookie: String,
}

pub(super) async fn person(app: &App, tenant: TenantId, name: &str, roles: &[&str]) -> Person {
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

pub(super) async fn world() -> World {
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
        router: router(&app),
        internal,
        host,
        other_host,
        app,
        _directory: directory,
    }
}

/// What a request to a route is made with.
#[derive(Default)]
pub(super) struct With<'a> {
    pub(super) bearer: Option<&'a str>,
    pub(super) cookie: Option<&'a str>,
    pub(super) query: Option<&'a str>,
    pub(super) agent: Option<(&'a str, &'a str)>,
    pub(super) provisioning: Option<&'a str>,
    pub(super) device: Option<&'a str>,
    pub(super) internal: Option<&'a str>,
    /// The `Origin`, when it isn't the one that the route wants.
    pub(super) origin: Option<&'a str>,
    pub(super) authority: Option<&'a str>,
    pub(super) host_id: Option<String>,
    /// Of a job, a batch, a scan, a schedule, a tenant, or the name of a rule.
    pub(super) object_id: Option<String>,
}

impl World {
    pub(super) async fn ask(&self, route: &Route, with: With<'_>) -> (StatusCode, Vec<u8>) {
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
