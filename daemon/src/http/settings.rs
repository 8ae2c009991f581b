//! What a tenant decides for itself.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::limit;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::config::{parse_duration, show_duration};
use crate::retention::{InForce, Keeping};
use crate::store::Said;

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let own = app.store.detached_life(call.person()?.tenant).await?;
    let life = own.unwrap_or(app.config().limits.detached_life);
    let counts = app.store.tenant_counts(call.person()?.tenant).await?;
    let counts = counts.ok_or_else(Refusal::not_found)?;
    let answer = json!({
        "detached_life": show_duration(life),
        "is_default": own.is_none(),
        "limits": counts.tenant.limits,
        "hosts": counts.hosts,
        "users": counts.users,
    });
    super::json(StatusCode::OK, &answer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// `null` for the daemon's default.
    detached_life: Option<String>,
}

pub(super) async fn patch(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Change { detached_life } = call.json().await?;
    let wrong = || Refusal::bad_request("detached_life takes a time from 1s to 24h, such as 30m");
    let life = match detached_life {
        Some(text) => {
            let life = parse_duration(&text).ok_or_else(wrong)?;
            let fits = life.as_secs() >= 1 && life <= limit::LONGEST_LIFE;
            Some(life).filter(|_| fits).ok_or_else(wrong)?.into()
        }
        None => None,
    };
    let tenant = call.person()?.tenant;
    app.store.set_detached_life(tenant, &call.by(&app)?, life).await?;
    get(app, call).await
}

/// How long the tenant's things are kept: its own wish, the most that it may wish, and what is done.
pub(super) async fn retention(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let Said { granted, own } = app.store.retention_said(call.person()?.tenant).await?;
    let most = InForce::configured(&app.config()).granted(&granted);
    let in_force = most.within(&own).said();
    let answer = json!({ "own": own, "most": most.said(), "in_force": in_force });
    super::json(StatusCode::OK, &answer)
}

pub(super) async fn wish_retention(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let wish: Keeping = call.json().await?;
    let tenant = call.person()?.tenant;
    let granted = app.store.retention_said(tenant).await?.granted;
    let most = InForce::configured(&app.config()).granted(&granted);
    if let Some(what) = most.exceeded_by(&wish) {
        let message = format!("{what}: that is more than this tenant may keep");
        return Err(Refusal::bad_request(message));
    }
    app.store.wish_retention(tenant, &call.by(&app)?, &wish).await?;
    retention(app, call).await
}
