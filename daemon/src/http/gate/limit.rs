//! How often one source may try, and what the guard remembers of who was let in.

use std::time::Duration;

use http::header;

use super::identity::{credentials, session_cookie};
use super::{Call, Caller};
use crate::app::App;
use crate::guard::{Anonymous, Misdeed, Treatment, Visitor};
use crate::http::error::Refusal;
use crate::http::route::{Kind, Route};

/// Keeps one source from trying too much before it has proved who it is.
pub(super) fn limit(app: &App, route: &Route, call: &Call) -> Result<Option<Anonymous>, Refusal> {
    let limits = &app.config().limits;
    // Others at the same address may go on with what was good before.
    if let Some(wait) = banned(app, call)
        && !credentials(app, call).into_iter().any(|credential| app.guard.is_known(credential))
    {
        let message = "too many failed attempts from this address";
        return Err(Refusal::too_many(message, wait.as_secs()));
    }
    if !matches!(route.kind, Kind::PersonSocket | Kind::PersonStream) {
        return Ok(None);
    }
    match app.guard.anonymous(call.peer.addr, limits.anonymous_sockets_per_ip) {
        Some(place) => Ok(Some(place)),
        None => {
            app.guard.misdeed(call.peer.addr, Misdeed::Flooding);
            Err(Refusal::too_many("too many sockets are being opened from this address", 1))
        }
    }
}

/// How long nobody unknown is let in from the caller's address, if that is so.
pub(in crate::http) fn banned(app: &App, call: &Call) -> Option<Duration> {
    let source = call.peer.addr;
    let blocked = match app.guard.treatment(source) {
        Treatment::Blocked(left) | Treatment::Closed(left) => {
            app.guard.misdeed(source, Misdeed::Flooding);
            Some(left)
        }
        Treatment::Free | Treatment::Slowed(_) => None,
    };
    let limit = app.config().limits.auth_failures_per_minute_per_ip;
    blocked.max(app.guard.failures(source, limit))
}

/// Remembers who was let in, and how they behave.
pub(super) async fn known(app: &App, call: &Call) -> Result<(), Refusal> {
    let login = match &call.caller {
        Caller::Person(who) => Some(who.login),
        Caller::Agent(_) => None,
        _ => return Ok(()),
    };
    let source = call.peer.addr;
    // A ticket is good once; its cookie or token was good when it was asked for.
    for credential in credentials(app, call) {
        app.guard.good(source, credential, login);
    }
    let Caller::Person(who) = &call.caller else { return Ok(()) };
    let now = app.clock.now();
    if let Some(left) = app.guard.user_blocked(who.user, source, now) {
        return Err(Refusal::too_many("you are not let in from here for a while", left.as_secs()));
    }
    let user_agent = call.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let cookie = session_cookie(app, &call.headers).is_some();
    app.guard.seen(Visitor { who, source, user_agent, cookie }, now).wait().await;
    Ok(())
}
