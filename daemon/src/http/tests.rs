//! The escape test: walks the route table and shows that no route lets anybody in whom its entry
//! does not name.

use http::{Method, StatusCode};

use super::route::{Credential, Kind, OriginRule, Route};
use super::routes;
use crate::auth::Permission;
use world::{With, world};

mod approvals;
mod compliance;
mod objects;
mod world;

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
