//! The SSH keys by which hosts are known.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::store::{Host, HostKeySource};

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let host = call.host()?;
    let keys = app.store.host_keys(host.tenant, host.id).await?;
    let trusted = keys.into_iter().filter(|key| key.source != HostKeySource::Pending);
    let items: Vec<_> = trusted
        .map(|key| {
            json!({
                "id": key.id,
                "target": key.target.unwrap_or_else(|| own_sshd(host)),
                "key_type": key.key_type,
                "fingerprint": key.fingerprint,
                "source": key.source,
                "added_at": key.added_at,
            })
        })
        .collect();
    super::json(StatusCode::OK, &json!({ "items": items, "next_cursor": null }))
}

/// What attested keys answer for.
fn own_sshd(host: &Host) -> String {
    let ports: Vec<_> = host.ssh_ports.iter().map(ToString::to_string).collect();
    format!("localhost:{}", ports.join(","))
}

pub(super) async fn delete(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let host = call.host()?;
    let key: Uuid = call.param("key_id")?;
    let by = call.by(&app)?;
    super::done(app.store.delete_host_key(host.tenant, &by, host.id, key).await?)
}

#[derive(Deserialize)]
struct Accepted {
    fingerprints: Vec<String>,
}

pub(super) async fn accept(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Accepted { fingerprints } = call.json().await?;
    let host = call.host()?;
    let by = call.by(&app)?;
    let done = app.store.accept_attested(host.tenant, &by, host.id, &fingerprints).await?;
    if !done {
        let message = "the agent reports other keys by now; look at the host's page again";
        return Err(Refusal::conflict(message));
    }
    app.auth.revocations().tell(crate::auth::Change::HostChanged(host.tenant, host.id));
    super::no_content()
}
