//! Passkeys: making them, and logging in with one.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::secret::Secret;
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;
use webauthn_rs::prelude::{PublicKeyCredential, RegisterPublicKeyCredential};

use super::account::again;
use super::error::Refusal;
use super::gate::{Call, auth_refusal};
use super::login;
use crate::app::App;
use crate::auth::{AuthError, PasskeyChallenge, Site};
use crate::store::StoredPasskey;

/// Largest answer of a browser that is looked at; attestations are not asked for, so it is small.
const LARGEST: usize = 64 * 1024;

fn view(key: &StoredPasskey) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "site": key.rp_id,
        "created_at": key.created_at,
        "used_at": key.used_at,
    })
}

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let account = call.person()?.account;
    let keys = app.store.passkeys(account.tenant, account.user).await?;
    let items: Vec<_> = keys.iter().map(view).collect();
    super::json(StatusCode::OK, &json!({ "items": items, "next_cursor": null }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Again {
    #[serde(default)]
    password: Option<Secret>,
}

pub(super) async fn offer(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Again { password } = call.json().await?;
    again(&app, &call, password.as_ref()).await?;
    let offer = app.auth.offer_passkey(call.person()?, site(&call)?, call.peer.addr).await;
    answer(offer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    challenge: String,
    name: String,
    credential: RegisterPublicKeyCredential,
}

pub(super) async fn add(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let New { challenge, name, credential } = call.json_within(LARGEST).await?;
    let by = call.by(&app)?;
    let id = app.auth.add_passkey(call.person()?, &by, &challenge, &name, &credential).await;
    super::json(StatusCode::CREATED, &json!({ "id": id.map_err(auth_refusal)? }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rename {
    name: String,
}

pub(super) async fn rename(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let Rename { name } = call.json().await?;
    let (by, id) = (call.by(&app)?, call.param::<Uuid>("passkey_id")?);
    let done = app.auth.rename_passkey(call.person()?, &by, id, &name).await;
    super::done(done.map_err(auth_refusal)?)
}

pub(super) async fn remove(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (by, id) = (call.by(&app)?, call.param::<Uuid>("passkey_id")?);
    let done = app.auth.remove_passkey(call.person()?, &by, id).await;
    super::done(done.map_err(auth_refusal)?)
}

pub(super) async fn ask(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    login::limit(&app, &call)?;
    answer(app.auth.ask_passkey(site(&call)?, call.peer.addr))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    challenge: String,
    credential: PublicKeyCredential,
    /// The tenant to enter, by its id or name; the account's own when none is named.
    #[serde(default)]
    tenant: Option<String>,
}

pub(super) async fn log_in(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    login::limit(&app, &call)?;
    let Login { challenge, credential, tenant } = call.json_within(LARGEST).await?;
    let tenant = tenant.as_deref();
    let login = app.auth.passkey_login(&challenge, &credential, tenant, call.peer.addr).await;
    let login = login.map_err(|error| match error {
        AuthError::Invalid => {
            app.guard.failed(call.peer.addr, "login");
            let message = "this passkey does not let you in here";
            Refusal::new(StatusCode::UNAUTHORIZED, "invalid_credentials", message)
        }
        error => auth_refusal(error),
    })?;
    login::welcome(&app, &call, &login)
}

fn answer(challenge: Result<PasskeyChallenge, AuthError>) -> Result<Response, Refusal> {
    let PasskeyChallenge { name, options } = challenge.map_err(auth_refusal)?;
    super::json(StatusCode::OK, &json!({ "challenge": name, "options": options }))
}

/// The site that the browser is on. The gate has checked that `Host` is a name of ours.
fn site(call: &Call) -> Result<Site, Refusal> {
    let host = call.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.and_then(Site::of).ok_or_else(|| {
        let message = "browsers make passkeys for names only: open this page by a name of the \
                       server, not by its address";
        Refusal::conflict(message)
    })
}
