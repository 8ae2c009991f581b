//! The one gate: every request to every route passes here, in the order of the contract, and a
//! handler runs only after all that its entry in the table demands was checked.
//!
//! route → draining → handshake → `Origin` → limits → credential → permission → object → ticket

mod body;
mod call;
mod identity;
mod limit;
mod permission;
mod refusal;

use std::sync::{Arc, Mutex};

use axum::extract::{RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use http::{Method, header};
use hyper::upgrade::OnUpgrade;

pub use call::{Call, Caller};
pub(super) use identity::{BOARD_COOKIE, cookie};
pub(super) use limit::banned;
pub(super) use permission::forbid;
pub(super) use refusal::{auth_refusal, ticket_refusal};

use super::error::Refusal;
use super::route::{Credential, Kind, OriginRule, Route};
use super::{sse, upgrade};
use crate::app::App;
use crate::guard::Misdeed;
use crate::listener::{Admission, Cut, Peer};
use identity::{INTERNAL_TOKEN, credentials, identify};
use limit::{known, limit};
use permission::{authorise, object};

/// Lets a request in, or not, and answers it.
pub(super) async fn pass(
    app: Arc<App>,
    route: &'static Route,
    params: RawPathParams,
    request: Request,
) -> Response {
    let socket = route.kind.is_socket();
    let source = request.extensions().get::<Peer>().map(|peer| peer.addr);
    let admitted = admit(&app, route, params, request).await;
    let answer = match admitted {
        Ok(call) => (route.handler)(Arc::clone(&app), call).await,
        Err(refusal) => Err(refusal),
    };
    if let (Err(refusal), Some(source)) = (&answer, source)
        && refusal.is_anonymous()
    {
        tokio::time::sleep(app.guard.hold_back(source)).await;
    }
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    let status = response.status();
    if socket && status != http::StatusCode::SWITCHING_PROTOCOLS && !status.is_success() {
        response
            .headers_mut()
            .insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    }
    response
}

async fn admit(
    app: &Arc<App>,
    route: &Route,
    params: RawPathParams,
    request: Request,
) -> Result<Call, Refusal> {
    let (mut parts, body) = request.into_parts();
    let Some(peer) = parts.extensions.get::<Peer>().copied() else {
        tracing::error!("a request without a peer");
        return Err(Refusal::internal());
    };
    let params: Vec<_> = params.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    if app.is_stopping() && route.kind != Kind::Public {
        return Err(Refusal::unavailable("the daemon is stopping; come back in a moment"));
    }
    let streamed = route.kind == Kind::PersonStream && sse::asked(&parts.headers);
    if route.kind.is_socket() && !streamed {
        upgrade::check(&parts.method, parts.version, &parts.headers)?;
    }
    let mut call = Call {
        caller: Caller::Nobody,
        peer,
        headers: parts.headers,
        uri: parts.uri,
        host: None,
        upgrade: parts.extensions.remove::<OnUpgrade>(),
        streamed,
        cut: parts.extensions.remove::<Cut>(),
        ticket: None,
        path: route.path,
        params,
        body: Mutex::new(body),
        body_limit: usize::try_from(app.config().limits.message).unwrap_or(usize::MAX),
    };
    check_origin(app, route, &parts.method, &call)?;
    if route.credentials.is_empty() {
        return Ok(call);
    }
    let _anonymous = limit(app, route, &call)?;
    let (caller, ticket) = match identify(app, route, &call).await {
        Ok(found) => found,
        Err(refusal) => {
            if refusal.status == http::StatusCode::UNAUTHORIZED {
                app.guard.failed(call.peer.addr, route.path);
            }
            return Err(refusal);
        }
    };
    call.caller = caller;
    // A provisioning key is not looked at before it is used, nor a signature before the body is
    // there, so they prove nothing yet.
    if !matches!(call.caller, Caller::Enrolling(_) | Caller::Signing)
        && let Some(admission) = parts.extensions.get::<Arc<Admission>>()
    {
        admission.release();
    }
    known(app, &call).await?;
    authorise(app, route, &call).await?;
    call.host = object(app, &call).await?;
    call.ticket = ticket;
    Ok(call)
}

fn check_origin(app: &App, route: &Route, method: &Method, call: &Call) -> Result<(), Refusal> {
    let mut origins = call.headers.get_all(header::ORIGIN).iter();
    let origin = origins.next();
    if origins.next().is_some() {
        return Err(Refusal::origin());
    }
    let ours = || origin.and_then(|o| o.to_str().ok()).is_some_and(|o| app.is_own_origin(o));
    let fine = match route.origin {
        OriginRule::Any => true,
        OriginRule::Absent => origin.is_none(),
        // A page of ours says nothing of its origin when it only reads.
        OriginRule::Ours if call.streamed => origin.is_none() || ours(),
        OriginRule::Ours => ours(),
        OriginRule::OursWithCookie => {
            let unsafe_method = !method.is_safe();
            let bearer = call.headers.contains_key(header::AUTHORIZATION);
            let service = route.credentials.contains(&Credential::InternalToken)
                && call.headers.contains_key(INTERNAL_TOKEN);
            !unsafe_method || bearer || service || ours()
        }
    };
    if fine {
        return Ok(());
    }
    app.guard.refused(call.peer.addr, route.path);
    app.guard.misdeed(call.peer.addr, Misdeed::BadOrigin);
    for credential in credentials(app, call) {
        app.guard.odd_origin(credential, app.clock.now());
    }
    Err(Refusal::origin())
}
