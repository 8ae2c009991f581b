//! Signs of life and reports.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::patchmon::{Ping, Section, Update};
use serde_json::{Value, json};

use super::{crowded, done, own_host};
use crate::app::App;
use crate::fleet;
use crate::http::error::Refusal;
use crate::http::gate::Call;
use crate::job;
use crate::patchmon::{self, LARGEST};

/// Largest sign of life, in bytes.
const PING: usize = 64 << 10;

pub(in crate::http) async fn ping(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let agent = call.agent()?.clone();
    let ping: Ping = call.json_within(PING).await?;
    let (gated, version) = (ping.hashes.is_some(), ping.agent_version.clone());
    let now = app.clock.now();
    let differing = app.store.patchmon_ping(agent.tenant, agent.host, ping, now).await?;
    patchmon::updated(&app, &agent, &version).await?;
    let host = own_host(&app, &call).await?;
    let mut answer = json!({
        "message": "Ping successful",
        "timestamp": now,
        "friendlyName": host.friendly_name,
    });
    if gated && let Value::Object(fields) = &mut answer {
        let sections: Vec<_> = differing.into_iter().map(Section::as_str).collect();
        fields.insert("hashGate".to_owned(), true.into());
        fields.insert("requestFull".to_owned(), sections.into());
    }
    done(&answer)
}

pub(in crate::http) async fn update(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let agent = call.agent()?.clone();
    let turn = app.patchmon.upload().await.ok_or_else(crowded)?;
    let update: Update = call.json_within(LARGEST).await?;
    let hashes = update.check().map_err(|error| Refusal::bad_request(error.to_string()))?;
    let count = update.packages.len();
    let pending = update.packages.iter().filter(|package| package.needs_update);
    let (pending, security) = pending
        .fold((0, 0), |(all, grave), one| (all + 1, grave + u32::from(one.is_security_update)));
    let version = update.agent_version.clone();
    let (tenant, host) = (agent.tenant, agent.host);
    let reported =
        app.store.patchmon_report(tenant, host, update, &hashes, app.clock.now()).await?;
    drop(turn);
    let reported = reported.ok_or_else(Refusal::not_found)?;
    job::settle(&app, reported.taken).await?;
    patchmon::updated(&app, &agent, &version).await?;
    fleet::reported(&app, tenant, host, reported.first).await;
    done(&json!({
        "message": "Host updated successfully",
        "packagesProcessed": count,
        "updatesAvailable": pending,
        "securityUpdates": security,
    }))
}
