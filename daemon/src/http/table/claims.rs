//! Routes about what hosts say of themselves, and what their agents are set to.

use http::Method;

use super::person;
use crate::auth::Permission;
use crate::http::route::{Handler, Route};
use crate::http::{claims, host_settings};

pub(super) fn routes() -> Vec<Route> {
    use Method as M;
    let read = Some(Permission::HostsRead);
    vec![
        person(
            M::GET,
            "/api/v1/hosts/{host_id}/docker",
            read,
            "A host's containers",
            handler!(claims::docker),
        ),
        person(
            M::GET,
            "/api/v1/hosts/{host_id}/integrations",
            read,
            "What else a host can do",
            handler!(claims::integrations),
        ),
        person(
            M::GET,
            "/api/v1/hosts/{host_id}/settings",
            read,
            "What a host's agent is set to",
            handler!(host_settings::get),
        ),
        person(
            M::PATCH,
            "/api/v1/hosts/{host_id}/settings",
            Some(Permission::CanManageHosts),
            "Set a host's agent, and tell it",
            handler!(host_settings::patch),
        ),
    ]
}
