//! Routes about alerts, and about what was told.

use http::Method;

use super::person;
use crate::auth::Permission;
use crate::http::route::{Handler, Route};
use crate::http::{history, inbox};

pub(super) fn routes() -> Vec<Route> {
    use Method as M;
    let read = Some(Permission::WsAlerts);
    let manage = Some(Permission::AlertsManage);
    vec![
        person(M::GET, "/api/v1/alerts", read, "The inbox of alerts", handler!(inbox::list)),
        person(
            M::POST,
            "/api/v1/alerts/status",
            manage,
            "Acknowledge, close or reopen many alerts",
            handler!(inbox::settle_many),
        ),
        person(M::GET, "/api/v1/alerts/{alert_id}", read, "One alert", handler!(inbox::get)),
        person(
            M::POST,
            "/api/v1/alerts/{alert_id}/acknowledge",
            manage,
            "Say that somebody looks into an alert",
            handler!(inbox::acknowledge),
        ),
        person(
            M::POST,
            "/api/v1/alerts/{alert_id}/close",
            manage,
            "Say that an alert is dealt with",
            handler!(inbox::close),
        ),
        person(
            M::POST,
            "/api/v1/alerts/{alert_id}/reopen",
            manage,
            "Say that an alert is not dealt with after all",
            handler!(inbox::reopen),
        ),
        person(
            M::GET,
            "/api/v1/channels/{channel}/events",
            None,
            "What was told on a channel or topic, newest first",
            handler!(history::list),
        ),
    ]
}
