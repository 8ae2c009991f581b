//! Routes about tenants and the people in them.

use http::Method;

use super::{open, person};
use crate::auth::Permission;
use crate::http::route::{Credential, Handler, Kind, OriginRule, Route};
use crate::http::{api_tokens, license, login, roles, settings, tenants};

/// A route of internal services.
fn service(method: Method, path: &'static str, summary: &'static str, handler: Handler) -> Route {
    Route {
        method,
        kind: Kind::Service,
        origin: OriginRule::Absent,
        credentials: &[Credential::InternalToken],
        ..open(path, summary, handler)
    }
}

pub(super) fn routes() -> Vec<Route> {
    use Method as M;
    let users = Some(Permission::UsersManage);
    let platform = Some(Permission::TenantsManage);
    let (admin, kept) = (Some(Permission::Admin), "/api/v1/settings/retention");
    let (all, tenant) = ("/api/v1/tenants", "/api/v1/tenants/{tenant_id}");
    let members = "/api/v1/tenants/{tenant_id}/members";
    let (own, role) = ("/api/v1/roles", "/api/v1/roles/{role}");
    let (tokens, token) = ("/api/v1/tokens", "/api/v1/tokens/{token_id}");
    vec![
        person(
            M::POST,
            "/api/v1/auth/tenant",
            None,
            "Go on in another tenant of mine",
            handler!(login::switch),
        ),
        person(M::GET, own, users, "List roles", handler!(roles::list)),
        person(M::POST, own, users, "Make a role", handler!(roles::create)),
        person(M::PATCH, role, users, "Let a role allow something else", handler!(roles::patch)),
        person(M::DELETE, role, users, "Remove a role", handler!(roles::delete)),
        person(M::GET, tokens, None, "List API tokens", handler!(api_tokens::list)),
        person(M::POST, tokens, None, "Make an API token", handler!(api_tokens::create)),
        person(M::DELETE, token, None, "Revoke an API token", handler!(api_tokens::revoke)),
        person(M::GET, all, platform, "List tenants", handler!(tenants::list)),
        person(M::POST, all, platform, "Make a tenant", handler!(tenants::create)),
        person(M::GET, tenant, platform, "One tenant", handler!(tenants::get)),
        person(
            M::PATCH,
            tenant,
            platform,
            "Name, suspend or limit a tenant",
            handler!(tenants::patch),
        ),
        person(M::DELETE, tenant, platform, "Delete a tenant", handler!(tenants::delete)),
        person(
            M::POST,
            members,
            platform,
            "Let somebody into a tenant",
            handler!(tenants::add_member),
        ),
        person(
            M::GET,
            kept,
            admin,
            "How long the tenant's things are kept",
            handler!(settings::retention),
        ),
        person(
            M::PUT,
            kept,
            admin,
            "Keep the tenant's things for less long",
            handler!(settings::wish_retention),
        ),
        service(
            Method::GET,
            "/internal/v1/license/{tenant}",
            "What a tenant is licensed for",
            handler!(license::get),
        ),
        Route {
            credentials: &[Credential::Signature],
            ..service(
                Method::POST,
                "/internal/license/refresh",
                "License a tenant: let it in or not, and how much it may have",
                handler!(license::refresh),
            )
        },
    ]
}
