//! Routes about what the guard saw.

use http::Method;

use super::person;
use crate::auth::Permission;
use crate::http::route::{Handler, Route};
use crate::http::{inspections, security};

pub(super) fn routes() -> Vec<Route> {
    let get = |path, summary, handler| {
        person(Method::GET, path, Some(Permission::WsSecurity), summary, handler)
    };
    let admin = |method, path, summary, handler| {
        person(method, path, Some(Permission::Admin), summary, handler)
    };
    vec![
        get("/api/v1/security/events", "What the guard saw", handler!(security::events)),
        get(
            "/api/v1/security/events/export.csv",
            "What the guard saw, as CSV",
            handler!(security::events_csv),
        ),
        get("/api/v1/security/logins", "How logins stand", handler!(security::logins)),
        admin(Method::GET, "/api/v1/sockets", "List open sockets", handler!(inspections::sockets)),
        admin(
            Method::POST,
            "/api/v1/inspections",
            "Look into an open socket for a while",
            handler!(inspections::create),
        ),
        admin(
            Method::GET,
            "/api/v1/inspections/{inspection_id}",
            "What went over a socket",
            handler!(inspections::get),
        ),
        admin(
            Method::DELETE,
            "/api/v1/inspections/{inspection_id}",
            "Look no longer",
            handler!(inspections::end),
        ),
    ]
}
