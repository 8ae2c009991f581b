//! What compliance scanners found: of a host, in a scan, by a rule, over the fleet.

mod export;
mod page;

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::id::ScanId;
use gangplank_proto::scan::Scanner;
use http::StatusCode;
use serde_json::json;

pub(super) use export::{fleet_csv, report, scan_csv};

use super::error::Refusal;
use super::gate::Call;
use super::jobs::filter;
use crate::app::App;
use crate::store::{RuleFilter, Series, StoredScan};

/// The longest text that rules are searched for, in bytes.
const LONGEST_TEXT: usize = 256;

pub(super) async fn fleet(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, series) = (call.person()?.tenant, series(&call)?);
    let score = app.store.fleet_score(tenant, &series).await?;
    let worst = app.store.worst_rules(tenant, &series).await?;
    let hosts = app.store.fleet_hosts(tenant, &series, &call.page()?).await?;
    super::json(
        StatusCode::OK,
        &json!({
            "score": score.score,
            "hosts": score.hosts,
            "scanned": score.scanned,
            "worst_rules": worst,
            "items": hosts.items,
            "next_cursor": hosts.next_cursor,
        }),
    )
}

pub(super) async fn host(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, series) = (call.person()?.tenant, series(&call)?);
    let found = app.store.host_compliance(tenant, call.host()?.id, &series).await?;
    super::json(StatusCode::OK, &found)
}

pub(super) async fn scans(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let host = filter(&call, "host_id")?;
    let scans = app.store.scans(call.person()?.tenant, host, &call.page()?).await?;
    super::json(StatusCode::OK, &scans)
}

pub(super) async fn scan(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let found = find(&app, &call).await?;
    let (wanted, page) = (rule_filter(&call)?, call.page()?);
    let rules = app.store.scan_rules(call.person()?.tenant, found.id, &wanted, &page).await?;
    super::json(
        StatusCode::OK,
        &json!({ "scan": found, "items": rules.items, "next_cursor": rules.next_cursor }),
    )
}

pub(super) async fn rule(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, name) = (call.person()?.tenant, call.param::<String>("rule")?);
    let scanner: Option<Scanner> = filter(&call, "scanner")?;
    let found = app.store.rule_words(tenant, &name, scanner).await?;
    let found = found.ok_or_else(Refusal::not_found)?;
    let result = filter(&call, "result")?;
    let hosts = app.store.rule_on_hosts(tenant, &found, result, &call.page()?).await?;
    let results = app.store.rule_results(tenant, &found).await?;
    super::json(
        StatusCode::OK,
        &json!({
            "rule": found,
            "results": results,
            "items": hosts.items,
            "next_cursor": hosts.next_cursor,
        }),
    )
}

/// The scan that the path names, of the caller's tenant.
async fn find(app: &App, call: &Call) -> Result<StoredScan, Refusal> {
    let id = call.param::<ScanId>("scan_id")?;
    app.store.scan(call.person()?.tenant, id).await?.ok_or_else(Refusal::not_found)
}

fn series(call: &Call) -> Result<Series, Refusal> {
    Ok(Series { scanner: filter(call, "scanner")?, profile: call.query("profile") })
}

fn rule_filter(call: &Call) -> Result<RuleFilter, Refusal> {
    let text = call.query("text").filter(|text| !text.is_empty());
    if text.as_ref().is_some_and(|text| text.len() > LONGEST_TEXT) {
        return Err(Refusal::bad_request("text takes 256 bytes at most"));
    }
    Ok(RuleFilter { result: filter(call, "result")?, severity: filter(call, "severity")?, text })
}
