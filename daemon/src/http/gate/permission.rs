//! What a caller may do, and which host a path names for them.

use gangplank_proto::id::HostId;
use serde_json::Value;

use super::{Call, Caller};
use crate::app::App;
use crate::audit::Entry;
use crate::http::error::Refusal;
use crate::http::route::Route;
use crate::store::Host;

/// What an API token may do without any scope for it; the handlers of tokens look at theirs.
const FOR_API_TOKENS: [&str; 3] =
    ["/api/v1/auth/ws-ticket", "/api/v1/tokens", "/api/v1/tokens/{token_id}"];

/// Refuses a person who may not use this route.
pub(super) async fn authorise(app: &App, route: &Route, call: &Call) -> Result<(), Refusal> {
    let Caller::Person(who) = &call.caller else { return Ok(()) };
    if who.must_enrol && !route.enrolling {
        return Err(Refusal::enrolment());
    }
    // What a person does with their own account is not for their programs.
    let own = route.permission.is_none() && !route.method.is_safe();
    let allowed = match route.permission {
        Some(permission) => who.may(permission),
        None => who.api_token.is_none() || !own || FOR_API_TOKENS.contains(&route.path),
    };
    if allowed {
        return Ok(());
    }
    Err(forbid(app, call, route.path, serde_json::json!({ "permission": route.permission })).await)
}

/// Writes down that a person may not do this, and refuses it.
pub(in crate::http) async fn forbid(
    app: &App,
    call: &Call,
    object: &str,
    detail: Value,
) -> Refusal {
    let audited = async {
        let who = call.person()?;
        let entry = Entry::refused(Some(who.tenant), "request", object).with(detail);
        app.store.audit(&call.by(app)?, entry).await?;
        Ok(Refusal::forbidden())
    };
    audited.await.unwrap_or_else(|refusal: Refusal| refusal)
}

/// Looks up the host that the path names, within the caller's tenant.
pub(super) async fn object(app: &App, call: &Call) -> Result<Option<Host>, Refusal> {
    if call.params.iter().all(|(name, _)| name != "host_id") {
        return Ok(None);
    }
    let id = call.param::<HostId>("host_id")?;
    let host = app.store.host(call.person()?.tenant, id).await?;
    host.map(Some).ok_or_else(Refusal::not_found)
}
