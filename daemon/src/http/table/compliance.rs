//! Routes about compliance scans.

use http::Method;

use super::person;
use crate::auth::Permission;
use crate::http::route::{Handler, Route};
use crate::http::{compliance, schedules};

pub(super) fn routes() -> Vec<Route> {
    let get = |path, summary, handler| {
        person(Method::GET, path, Some(Permission::ComplianceRead), summary, handler)
    };
    let run = |method, path, summary, handler| {
        person(method, path, Some(Permission::JobsRun), summary, handler)
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
        get("/api/v1/compliance/schedules", "List schedules of scans", handler!(schedules::list)),
        get(
            "/api/v1/compliance/schedules/{schedule_id}",
            "One schedule, and how far it is",
            handler!(schedules::get),
        ),
        run(
            Method::POST,
            "/api/v1/compliance/schedules",
            "Have hosts scanned again and again",
            handler!(schedules::create),
        ),
        run(
            Method::PATCH,
            "/api/v1/compliance/schedules/{schedule_id}",
            "Change a schedule",
            handler!(schedules::patch),
        ),
        run(
            Method::DELETE,
            "/api/v1/compliance/schedules/{schedule_id}",
            "Remove a schedule",
            handler!(schedules::delete),
        ),
    ]
}
