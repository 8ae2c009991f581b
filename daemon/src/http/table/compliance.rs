//! Routes about compliance scans.

use http::Method;

use super::person;
use crate::auth::Permission;
use crate::http::compliance;
use crate::http::route::{Handler, Route};

pub(super) fn routes() -> Vec<Route> {
    let get = |path, summary, handler| {
        person(Method::GET, path, Some(Permission::ComplianceRead), summary, handler)
    };
    vec![
        get("/api/v1/compliance", "Where the fleet stands", handler!(compliance::fleet)),
        get(
            "/api/v1/compliance/export.csv",
            "The hosts of the fleet as CSV",
            handler!(compliance::fleet_csv),
        ),
        get(
            "/api/v1/hosts/{host_id}/compliance",
            "Where a host stands, and how it came there",
            handler!(compliance::host),
        ),
        get("/api/v1/compliance/scans", "List scans", handler!(compliance::scans)),
        get(
            "/api/v1/compliance/scans/{scan_id}",
            "One scan and its rules",
            handler!(compliance::scan),
        ),
        get(
            "/api/v1/compliance/scans/{scan_id}/export.csv",
            "The rules of a scan as CSV",
            handler!(compliance::scan_csv),
        ),
        get(
            "/api/v1/compliance/scans/{scan_id}/report.html",
            "A scan as a page that stands for itself",
            handler!(compliance::report),
        ),
        get(
            "/api/v1/compliance/rules/{rule}",
            "One rule over the fleet",
            handler!(compliance::rule),
        ),
    ]
}
