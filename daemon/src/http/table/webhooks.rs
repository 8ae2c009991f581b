//! Routes about receivers of events outside.

use http::Method;

use super::person;
use crate::auth::Permission;
use crate::http::route::{Handler, Route};
use crate::http::webhooks;

pub(super) fn routes() -> Vec<Route> {
    use Method as M;
    let admin = Some(Permission::Admin);
    vec![
        person(M::GET, "/api/v1/webhooks", admin, "List webhooks", handler!(webhooks::list)),
        person(M::POST, "/api/v1/webhooks", admin, "Add a webhook", handler!(webhooks::create)),
        person(
            M::GET,
            "/api/v1/webhooks/{webhook_id}",
            admin,
            "One webhook",
            handler!(webhooks::get),
        ),
        person(
            M::PATCH,
            "/api/v1/webhooks/{webhook_id}",
            admin,
            "Change a webhook",
            handler!(webhooks::patch),
        ),
        person(
            M::DELETE,
            "/api/v1/webhooks/{webhook_id}",
            admin,
            "Remove a webhook",
            handler!(webhooks::delete),
        ),
        person(
            M::POST,
            "/api/v1/webhooks/{webhook_id}/rotate",
            admin,
            "Give a webhook another secret",
            handler!(webhooks::rotate),
        ),
        person(
            M::GET,
            "/api/v1/webhooks/{webhook_id}/deliveries",
            admin,
            "What went to a webhook, or did not",
            handler!(webhooks::deliveries),
        ),
        person(
            M::POST,
            "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
            admin,
            "Send something once more",
            handler!(webhooks::replay),
        ),
    ]
}
