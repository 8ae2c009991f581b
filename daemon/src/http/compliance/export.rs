//! Scans and the fleet as files.

use std::sync::Arc;

use axum::response::Response;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use gangplank_proto::id::{ScanId, TenantId};
use gangplank_proto::scan::Scanner;
use http::{HeaderValue, header};

use super::page;
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::csv;
use crate::http::error::Refusal;
use crate::http::export::{body, file};
use crate::http::gate::Call;
use crate::store::{FleetHost, Page, PageRequest, RuleFilter, ScanRule, StoreError};

/// Characters of a host's name in a file's.
const NAME: usize = 64;

/// The rules of a scan as comma-separated values.
pub(in crate::http) async fn scan_csv(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let scan = super::find(&app, &call).await?;
    let (tenant, wanted) = (call.person()?.tenant, super::rule_filter(&call)?);
    let name = file_name(&scan.host_name, scan.at, "csv");
    let head = csv::line(["host", "rule", "title", "severity", "result", "rationale", "fix"]);
    let host = scan.host_name;
    let render = move |rule: &ScanRule| {
        let (severity, result) = (rule.severity.as_str(), rule.result.as_str());
        let (rationale, fix) = (rule.rationale.as_str(), rule.fix.as_str());
        let cells = [&host, rule.rule.as_str(), rule.title.as_str(), severity, result];
        csv::line(cells.into_iter().chain([rationale, fix]))
    };
    let read = rules(&app, tenant, scan.id, wanted);
    Ok(file(body(head, "", render, read), "text/csv; charset=utf-8", &name))
}

/// A scan as a page.
pub(in crate::http) async fn report(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let scan = super::find(&app, &call).await?;
    let (tenant, wanted) = (call.person()?.tenant, RuleFilter::default());
    let name = file_name(&scan.host_name, scan.at, "html");
    let read = rules(&app, tenant, scan.id, wanted);
    let body = body(page::head(&scan), "</html>\n", page::rule, read);
    let mut response = file(body, "text/html; charset=utf-8", &name);
    let policy = HeaderValue::from_str(&page::policy()).map_err(|error| {
        tracing::error!(%error, "a policy that is no header");
        Refusal::internal()
    })?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

/// The hosts of the fleet as comma-separated values.
pub(in crate::http) async fn fleet_csv(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, series) = (call.person()?.tenant, super::series(&call)?);
    let name = file_name("fleet", app.clock.now(), "csv");
    let head = [
        "host",
        "scanned",
        "scanner",
        "profile",
        "score",
        "pass",
        "fixed",
        "fail",
        "error",
        "unknown",
        "notapplicable",
    ];
    let read = move |page| {
        let (app, series) = (Arc::clone(&app), series.clone());
        async move { app.store.fleet_hosts(tenant, &series, &page).await }
    };
    let body = body(csv::line(head), "", fleet_line, read);
    Ok(file(body, "text/csv; charset=utf-8", &name))
}

fn fleet_line(host: &FleetHost) -> String {
    let at = host.at.map(|at| at.to_string()).unwrap_or_default();
    let score = host.score.map(|score| format!("{score:.1}")).unwrap_or_default();
    let counts = host.counts.map(|counts| {
        let counts = [
            counts.pass,
            counts.fixed,
            counts.fail,
            counts.error,
            counts.unknown,
            counts.notapplicable,
        ];
        counts.map(|count| count.to_string())
    });
    let counts = counts.unwrap_or_default();
    let profile = host.profile.as_ref().map_or("", |profile| profile.as_str());
    let scanner = host.scanner.map_or("", Scanner::as_str);
    let cells = [host.host_name.as_str(), &at, scanner, profile, &score];
    csv::line(cells.into_iter().chain(counts.iter().map(String::as_str)))
}

/// Reads the rules of a scan.
fn rules(
    app: &Arc<App>,
    tenant: TenantId,
    scan: ScanId,
    wanted: RuleFilter,
) -> impl Fn(PageRequest) -> BoxFuture<'static, Result<Page<ScanRule>, StoreError>>
+ Send
+ 'static
+ use<> {
    let app = Arc::clone(app);
    move |page| {
        let (app, wanted) = (Arc::clone(&app), wanted.clone());
        async move { app.store.scan_rules(tenant, scan, &wanted, &page).await }.boxed()
    }
}

/// A name that means the same to every system.
fn file_name(host: &str, at: Timestamp, ending: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let host: String = host.chars().take(NAME).map(plain).collect();
    let day: String = at.to_string().chars().take(10).collect();
    format!("compliance-{host}-{day}.{ending}")
}
