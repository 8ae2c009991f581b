//! Hosts.

use std::num::NonZeroU16;
use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::id::HostId;
use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::error::Refusal;
use super::gate::{Call, auth_refusal};
use crate::app::App;
use crate::auth::Credential;
use crate::fleet;
use crate::store::{Accepted, HostPatch, NewHost};

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let hosts = app.store.hosts(call.person()?.tenant, &call.page()?).await?;
    let mut items = Vec::with_capacity(hosts.items.len());
    for host in hosts.items {
        items.push(fleet::view(&app, host).await?);
    }
    super::json(StatusCode::OK, &json!({ "items": items, "next_cursor": hosts.next_cursor }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    friendly_name: String,
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    port: Option<NonZeroU16>,
    #[serde(default)]
    gateway_id: Option<HostId>,
    #[serde(default)]
    labels: Vec<String>,
}

pub(super) async fn create(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let New { friendly_name, address, port, gateway_id: gateway, labels } = call.json().await?;
    let address = address.filter(|address| !address.is_empty());
    let new = NewHost { friendly_name, address, port: port.map(Into::into), gateway, labels };
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let made = app.auth.create_host(tenant, &by, new).await.map_err(auth_refusal)?;
    let (id, Credential { api_id, api_key }) = made;
    super::json(StatusCode::CREATED, &json!({ "id": id, "api_id": api_id, "api_key": api_key }))
}

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    answer(&app, &call).await
}

/// The host as it is now.
async fn answer(app: &App, call: &Call) -> Result<Response, Refusal> {
    let host = app.store.host(call.person()?.tenant, call.host()?.id).await?;
    let host = host.ok_or_else(Refusal::not_found)?;
    super::json(StatusCode::OK, &fleet::view(app, host).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    #[serde(default)]
    friendly_name: Option<String>,
    /// `null` takes the address away, which is not the same as saying nothing.
    #[serde(default, deserialize_with = "said")]
    address: Option<Option<String>>,
    #[serde(default)]
    port: Option<NonZeroU16>,
    /// As with the address.
    #[serde(default, deserialize_with = "said")]
    gateway_id: Option<Option<HostId>>,
    #[serde(default)]
    labels: Option<Vec<String>>,
}

fn said<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

pub(super) async fn patch(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Patch { friendly_name, address, port, gateway_id: gateway, labels } = call.json().await?;
    let address = address.map(|address| address.filter(|address| !address.is_empty()));
    let patch = HostPatch { friendly_name, address, port: port.map(Into::into), gateway, labels };
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let done = app.auth.patch_host(tenant, &by, call.host()?.id, patch).await;
    if !done.map_err(auth_refusal)? {
        return Err(Refusal::not_found());
    }
    answer(&app, &call).await
}

pub(super) async fn delete(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let done = app.auth.delete_host(tenant, &by, call.host()?.id).await;
    super::done(done.map_err(auth_refusal)?)
}

pub(super) async fn status(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let host = call.host()?;
    let link = app.registry.of_host(host.id);
    super::json(StatusCode::OK, &fleet::Status::of(host, link.as_deref()))
}

pub(super) async fn regenerate(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let made = app.auth.regenerate_credential(tenant, &by, call.host()?.id).await;
    let made = made.map_err(auth_refusal)?.ok_or_else(Refusal::not_found)?;
    let Credential { api_id, api_key } = made;
    super::json(StatusCode::OK, &json!({ "api_id": api_id, "api_key": api_key }))
}

/// How a pending host is let in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Consent {
    /// In the place of the known host that it says it is.
    #[serde(default)]
    in_place: bool,
}

pub(super) async fn accept(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Consent { in_place } = call.json().await?;
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let host = call.host()?.id;
    let accepted = app.auth.accept_host(tenant, &by, host, in_place).await.map_err(auth_refusal)?;
    let host = match accepted {
        Accepted::NoHost => return Err(Refusal::not_found()),
        Accepted::Nobody => {
            return Err(Refusal::conflict("no host is known whose machine this one says it is"));
        }
        Accepted::In => host,
        Accepted::InPlaceOf(known) => known,
    };
    let host = app.store.host(tenant, host).await?.ok_or_else(Refusal::not_found)?;
    super::json(StatusCode::OK, &fleet::view(&app, host).await?)
}
