//! Routes about what devices send.

use http::Method;

use super::{device, person};
use crate::auth::Permission;
use crate::http::route::{Handler, Route};
use crate::http::{ingest, telemetry};

pub(super) fn routes() -> Vec<Route> {
    use Method as M;
    let read = Some(Permission::HostsRead);
    vec![
        device(M::POST, "/v1/ingest", "Rows that a host sends", handler!(ingest::take)),
        person(
            M::GET,
            "/api/v1/hosts/{host_id}/telemetry",
            read,
            "What a host measured",
            handler!(telemetry::series),
        ),
        person(
            M::GET,
            "/api/v1/hosts/{host_id}/records",
            read,
            "Other rows that a host sent",
            handler!(telemetry::records),
        ),
    ]
}
