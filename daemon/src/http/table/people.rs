//! Routes about tenants and the people in them.

use http::Method;

use super::open;
use crate::http::license;
use crate::http::route::{Credential, Handler, Kind, OriginRule, Route};

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
    vec![
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
