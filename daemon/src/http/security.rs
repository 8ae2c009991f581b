//! What the guard saw, and how logins stand.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::csv;
use super::error::Refusal;
use super::export::{body, file};
use super::gate::Call;
use super::jobs::filter;
use crate::app::App;
use crate::clock::Timestamp;
use crate::guard::Source;
use crate::store::{PageRequest, SecurityEvent, SecurityFilter};

/// Logins in one answer.
const LOGINS: usize = 500;

pub(super) async fn events(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, wanted, page) = (call.person()?.tenant, wanted(&call)?, call.page()?);
    super::json(StatusCode::OK, &app.store.security_events(tenant, &wanted, &page).await?)
}

pub(super) async fn events_csv(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, wanted) = (call.person()?.tenant, wanted(&call)?);
    let day: String = app.clock.now().to_string().chars().take(10).collect();
    let head = csv::line(["at", "kind", "severity", "title", "source", "user", "evidence"]);
    let read = move |page: PageRequest| {
        let (app, wanted) = (Arc::clone(&app), wanted.clone());
        async move { app.store.security_events(tenant, &wanted, &page).await }
    };
    let name = format!("security-{day}.csv");
    Ok(file(body(head, "", line, read), "text/csv; charset=utf-8", &name))
}

pub(super) async fn logins(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let logins = app.guard.logins(call.person()?.tenant, app.clock.now(), LOGINS);
    super::json(StatusCode::OK, &json!({ "items": logins, "next_cursor": null }))
}

fn line(event: &SecurityEvent) -> String {
    let at = event.at.to_string();
    let source = event.source.map(|source| source.to_string()).unwrap_or_default();
    let evidence = serde_json::Value::Object(event.evidence.clone()).to_string();
    csv::line([
        at.as_str(),
        event.kind.as_str(),
        event.severity.as_str(),
        &event.title,
        &source,
        event.user.as_deref().unwrap_or_default(),
        &evidence,
    ])
}

fn wanted(call: &Call) -> Result<SecurityFilter, Refusal> {
    let source: Option<std::net::IpAddr> = filter(call, "source")?;
    Ok(SecurityFilter {
        kind: filter(call, "kind")?,
        severity: filter(call, "severity")?,
        source: source.map(|source| Source::from(source).ip()),
        user: call.query("user").filter(|user| !user.is_empty()),
        since: moment(call, "since")?,
        until: moment(call, "until")?,
    })
}

fn moment(call: &Call, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = call.query(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let wrong =
        |_| Refusal::bad_request(format!("{name} takes a time such as 2026-01-31T12:00:00Z"));
    serde_json::from_value(serde_json::Value::String(text)).map(Some).map_err(wrong)
}
