//! Terminals, live and past.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::id::SessionId;
use http::StatusCode;
use serde_json::{Value, json};

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::audit::Entry;
use crate::auth::Principal;
use crate::session::{Ending, life};
use crate::store::Session;

fn view(session: Session, me: &Principal) -> Value {
    let (cols, rows) = session.size.unzip();
    json!({
        "id": session.id,
        "host_id": session.host,
        "host_name": session.host_name,
        "user": session.user_name,
        "mine": session.user == me.user,
        "mode": session.mode,
        "username": session.username,
        "state": session.state,
        "cols": cols,
        "rows": rows,
        "last_output_at": session.last_output_at,
        "expires_at": session.expires_at,
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "host_key": session.host_key,
        "end_reason": session.end_reason,
    })
}

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let me = call.person()?;
    let mine = match call.query("mine").as_deref() {
        None | Some("false") => None,
        Some("true") => Some(me.user),
        Some(_) => return Err(Refusal::bad_request("mine is true or false")),
    };
    let live = match call.query("state").as_deref() {
        None => false,
        Some("live") => true,
        Some(_) => return Err(Refusal::bad_request("state takes live, or is left out")),
    };
    let sessions = app.store.sessions(me.tenant, mine, live, &call.page()?).await?;
    super::json(StatusCode::OK, &sessions.map(|session| view(session, me)))
}

async fn found(app: &App, call: &Call) -> Result<Session, Refusal> {
    let id: SessionId = call.param("session_id")?;
    let session = app.store.session(call.person()?.tenant, id).await?;
    session.ok_or_else(Refusal::not_found)
}

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    super::json(StatusCode::OK, &view(found(&app, &call).await?, call.person()?))
}

pub(super) async fn end(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let session = found(&app, &call).await?;
    let tenant = call.person()?.tenant;
    let entry = Entry::done(tenant, "terminal.stop", format!("session:{}", session.id));
    app.store.audit(&call.by(&app)?, entry).await?;
    let ending = Ending::Wanted("ended by an operator");
    life::end(&app, tenant, &call.by(&app)?, &session, ending).await?;
    super::no_content()
}
