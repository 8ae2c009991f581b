//! Receivers of events outside.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::id::WebhookId;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::event::Topic;
use crate::store::{DeliveryState, NewWebhook, Webhook};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    url: String,
    topics: Vec<String>,
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    topics: Option<Vec<String>>,
    #[serde(default)]
    enabled: Option<bool>,
}

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let items = app.store.webhooks(call.person()?.tenant).await?;
    super::json(StatusCode::OK, &json!({ "items": items, "next_cursor": null }))
}

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    super::json(StatusCode::OK, &find(&app, &call).await?)
}

pub(super) async fn create(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let New { name, url, topics, enabled } = call.json().await?;
    let new = new(name, &url, &topics, enabled)?;
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let id = app.store.create_webhook(tenant, &by, &new).await?;
    app.webhooks.changed();
    let hook = app.store.webhook(tenant, id).await?.ok_or_else(Refusal::not_found)?;
    with_secret(&app, &hook, StatusCode::CREATED)
}

pub(super) async fn patch(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let patch: Patch = call.json().await?;
    let old = find(&app, &call).await?;
    let url = patch.url.unwrap_or_else(|| old.url.as_str().to_owned());
    let topics = patch.topics.unwrap_or(old.topics);
    let enabled = patch.enabled.unwrap_or(old.enabled);
    let new = new(patch.name.unwrap_or(old.name), &url, &topics, enabled)?;
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    if !app.store.patch_webhook(tenant, &by, old.id, &new).await? {
        return Err(Refusal::not_found());
    }
    app.webhooks.changed();
    super::json(StatusCode::OK, &find(&app, &call).await?)
}

pub(super) async fn delete(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let done = app.store.delete_webhook(tenant, &by, id(&call)?).await?;
    app.webhooks.changed();
    super::done(done)
}

pub(super) async fn rotate(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    if !app.store.rotate_webhook(tenant, &by, id(&call)?).await? {
        return Err(Refusal::not_found());
    }
    app.webhooks.changed();
    with_secret(&app, &find(&app, &call).await?, StatusCode::OK)
}

pub(super) async fn deliveries(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let hook = find(&app, &call).await?;
    let state = match call.query("state") {
        None => None,
        Some(state) => Some(
            state
                .parse::<DeliveryState>()
                .map_err(|_| Refusal::bad_request("state takes waiting, delivered or dead"))?,
        ),
    };
    let page = app.store.deliveries(hook.tenant, hook.id, state, &call.page()?).await?;
    super::json(StatusCode::OK, &page)
}

pub(super) async fn replay(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let delivery = call.param("delivery_id")?;
    let done = app.store.replay_delivery(tenant, &by, id(&call)?, delivery).await?;
    app.webhooks.changed();
    super::done(done)
}

fn id(call: &Call) -> Result<WebhookId, Refusal> {
    call.param("webhook_id")
}

async fn find(app: &App, call: &Call) -> Result<Webhook, Refusal> {
    let found = app.store.webhook(call.person()?.tenant, id(call)?).await?;
    found.ok_or_else(Refusal::not_found)
}

fn new(name: String, url: &str, topics: &[String], enabled: bool) -> Result<NewWebhook, Refusal> {
    let url = url.parse().map_err(|error| Refusal::bad_request(format!("url: {error}")))?;
    let unknown = |name: &String| {
        Refusal::bad_request(format!("there is no topic '{}'", name.escape_debug()))
    };
    let topics = topics.iter().map(|name| Topic::named(name).ok_or_else(|| unknown(name)));
    Ok(NewWebhook { name, url, topics: topics.collect::<Result<_, _>>()?, enabled })
}

/// A receiver with its secret, which is shown this once.
fn with_secret(app: &App, hook: &Webhook, status: StatusCode) -> Result<Response, Refusal> {
    let mut view = json!(hook);
    if let Value::Object(view) = &mut view {
        view.insert("secret".to_owned(), app.webhooks.secret(hook).expose().into());
    }
    super::json(status, &view)
}
