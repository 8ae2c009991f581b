//! Looking into open sockets.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use gangplank_proto::fact::is_unfit;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::audit::Entry;
use crate::config::parse_duration;
use crate::inspect::{Asked, Ending, InspectError, Inspection, LONGEST, STANDS, Wanted, ask};

/// Sockets in one answer.
const SOCKETS: usize = 1000;

/// The longest wait for frames.
const LONGEST_WAIT: u64 = 30;

/// The longest reason, in characters.
const WHY: usize = 500;

pub(super) async fn sockets(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let who = call.person()?;
    let sockets = app.inspector.sockets(who.tenant, who.user, SOCKETS);
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
    /// Why: with it, the contents of somebody else's socket are asked for.
    #[serde(default)]
    why: Option<String>,
    /// How long such a request stands.
    #[serde(default)]
    expires_in: Option<String>,
}

impl Look {
    fn id(&self) -> Result<Uuid, Refusal> {
        match (self.socket_id, self.session_id) {
            (Some(id), None) | (None, Some(id)) => Ok(id),
            _ => Err(Refusal::bad_request("name one of socket_id and session_id")),
        }
    }

    fn wanted(&self) -> Result<Wanted, Refusal> {
        let most = LONGEST.as_secs() / 60;
        if !(1..=most).contains(&self.minutes) {
            return Err(Refusal::bad_request(format!("minutes takes a number from 1 to {most}")));
        }
        let span = Duration::from_secs(self.minutes * 60);
        Ok(Wanted { id: self.id()?, span, contents: self.contents })
    }

    fn why(&self) -> Result<Option<&str>, Refusal> {
        let why = self.why.as_deref().map(str::trim).filter(|why| !why.is_empty());
        if why.is_some_and(|why| why.chars().count() > WHY || why.chars().any(is_unfit)) {
            return Err(Refusal::bad_request("why takes up to 500 characters of plain text"));
        }
        Ok(why)
    }

    fn stands(&self) -> Result<Duration, Refusal> {
        let [shortest, longest, usual] = STANDS;
        let stands = self.expires_in.as_deref().map_or(Some(usual), parse_duration);
        let wrong = || Refusal::bad_request("expires_in takes a duration from 1s to 1h");
        stands.filter(|stands| (shortest..=longest).contains(stands)).ok_or_else(wrong)
    }
}

pub(super) async fn create(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let look: Look = call.json().await?;
    let (wanted, why, stands) = (look.wanted()?, look.why()?, look.stands()?);
    let (who, by) = (call.person()?, call.by(&app)?);
    let refused = async |detail: Value| {
        let entry =
            Entry::refused(Some(who.tenant), "inspection.start", format!("socket:{}", wanted.id));
        app.store.audit(&by, entry.with(detail)).await
    };
    let prepared = match app.inspector.prepare(who.tenant, who.user, wanted) {
        Ok(prepared) => prepared,
        Err(error) => {
            refused(json!({ "minutes": look.minutes, "contents": look.contents })).await?;
            return Err(refusal(error));
        }
    };
    let mut detail = prepared.detail(why);
    if prepared.consent {
        let Some(why) = why.map(str::to_owned) else {
            refused(detail).await?;
            let message = "somebody else has to approve that; say why you want it";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "not_yours", message));
        };
        let inspection = ask(&app, who, &by, prepared, Asked { why, stands }).await?;
        return super::json(StatusCode::ACCEPTED, &inspection.standing());
    }
    if let Some(detail) = detail.as_object_mut() {
        detail.insert("until".to_owned(), json!(prepared.until(by.at)));
    }
    let entry = Entry::done(who.tenant, "inspection.start", prepared.object()).with(detail);
    app.store.audit(&by, entry).await?;
    prepared.begin();
    super::json(StatusCode::CREATED, &prepared.inspection.standing())
}

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let inspection = find(&app, &call)?;
    let after = number(&call, "after")?.unwrap_or(0);
    let wait = Duration::from_secs(number(&call, "wait")?.unwrap_or(0).min(LONGEST_WAIT));
    super::json(StatusCode::OK, &inspection.after(after, wait).await)
}

pub(super) async fn end(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    find(&app, &call)?.end(Ending::Ended, None);
    super::no_content()
}

fn find(app: &App, call: &Call) -> Result<Arc<Inspection>, Refusal> {
    let (who, id) = (call.person()?, call.param("inspection_id")?);
    app.inspector.find(who.tenant, who.user, id).ok_or_else(Refusal::not_found)
}

fn number(call: &Call, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(text) = call.query(name) else { return Ok(None) };
    let wrong = |_| Refusal::bad_request(format!("{name} takes a number"));
    text.parse().map(Some).map_err(wrong)
}

fn refusal(error: InspectError) -> Refusal {
    match error {
        InspectError::NoSocket => Refusal::not_found(),
        InspectError::Busy => Refusal::too_many(error.to_string(), 60),
    }
}
