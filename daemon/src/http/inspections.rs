//! Looking into open sockets.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::audit::Entry;
use crate::inspect::{InspectError, Inspection, LONGEST, Wanted};

/// Sockets in one answer.
const SOCKETS: usize = 1000;

/// The longest wait for frames.
const LONGEST_WAIT: u64 = 30;

pub(super) async fn sockets(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let sockets = app.inspector.sockets(call.person()?.tenant, SOCKETS);
    super::json(StatusCode::OK, &json!({ "items": sockets, "next_cursor": null }))
}

#[derive(Deserialize)]
struct Look {
    /// The id of a socket.
    #[serde(default)]
    socket_id: Option<Uuid>,
    /// The id of a terminal that a socket shows.
    #[serde(default)]
    session_id: Option<Uuid>,
    minutes: u64,
    #[serde(default)]
    contents: bool,
}

pub(super) async fn create(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let look: Look = call.json().await?;
    let id = match (look.socket_id, look.session_id) {
        (Some(id), None) | (None, Some(id)) => id,
        _ => return Err(Refusal::bad_request("name one of socket_id and session_id")),
    };
    let most = LONGEST.as_secs() / 60;
    if !(1..=most).contains(&look.minutes) {
        return Err(Refusal::bad_request(format!("minutes takes a number from 1 to {most}")));
    }
    let who = call.person()?;
    let span = Duration::from_secs(look.minutes * 60);
    let wanted = Wanted { id, span, contents: look.contents };
    let detail = json!({ "minutes": look.minutes, "contents": look.contents });
    let prepared = match app.inspector.prepare(who.tenant, who.user, wanted) {
        Ok(prepared) => prepared,
        Err(error) => {
            let entry =
                Entry::refused(Some(who.tenant), "inspection.start", format!("socket:{id}"));
            app.store.audit(&call.by(&app)?, entry.with(detail)).await?;
            return Err(refusal(error));
        }
    };
    let object = format!("socket:{}", prepared.inspection.socket);
    let entry = Entry::done(who.tenant, "inspection.start", object).with(detail);
    app.store.audit(&call.by(&app)?, entry).await?;
    super::json(StatusCode::CREATED, &view(&prepared.begin()))
}

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let inspection = find(&app, &call)?;
    let after = number(&call, "after")?.unwrap_or(0);
    let wait = Duration::from_secs(number(&call, "wait")?.unwrap_or(0).min(LONGEST_WAIT));
    let seen = inspection.after(after, wait).await;
    let mut answer = view(&inspection);
    if let (Some(answer), Ok(Value::Object(seen))) =
        (answer.as_object_mut(), serde_json::to_value(seen))
    {
        answer.extend(seen);
    }
    super::json(StatusCode::OK, &answer)
}

pub(super) async fn end(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    find(&app, &call)?.stop();
    super::no_content()
}

fn find(app: &App, call: &Call) -> Result<Arc<Inspection>, Refusal> {
    let (who, id) = (call.person()?, call.param("inspection_id")?);
    app.inspector.find(who.tenant, who.user, id).ok_or_else(Refusal::not_found)
}

fn view(inspection: &Inspection) -> Value {
    json!({
        "id": inspection.id,
        "socket_id": inspection.socket,
        "contents": inspection.contents,
        "until": inspection.until,
    })
}

fn number(call: &Call, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(text) = call.query(name) else { return Ok(None) };
    let wrong = |_| Refusal::bad_request(format!("{name} takes a number"));
    text.parse().map(Some).map_err(wrong)
}

fn refusal(error: InspectError) -> Refusal {
    match error {
        InspectError::NoSocket => Refusal::not_found(),
        InspectError::NotYours => {
            Refusal::new(StatusCode::FORBIDDEN, "not_yours", error.to_string())
        }
        InspectError::Busy => Refusal::too_many(error.to_string(), 60),
    }
}
