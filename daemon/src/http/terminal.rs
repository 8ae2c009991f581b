//! `GET /api/v1/ssh-terminal/{host_id}`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::terminal::SUBPROTOCOL;

use super::error::Refusal;
use super::gate::Call;
use super::upgrade;
use crate::app::App;
use crate::auth::Principal;
use crate::authority::Authority;
use crate::guard::Reason;
use crate::session::page::Vocabulary;
use crate::session::terminal::{self, Visit};

/// Holds it against a login when a terminal is opened at an hour or from a place that the policy does
/// not expect.
fn unusual(app: &App, who: &Principal, source: IpAddr) {
    let (now, config) = (app.clock.now(), app.config());
    let policy = &config.guard;
    if policy.terminal_hours.is_some_and(|hours| !hours.contain(now.seconds())) {
        app.guard.odd(who.login, Reason::UnusualHours, 1, now);
    }
    let networks = &policy.terminal_networks;
    if !networks.is_empty() && !networks.iter().any(|network| network.contains(&source)) {
        app.guard.odd(who.login, Reason::UnusualPlace, 1, now);
    }
}

pub(super) async fn socket(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let who = call.person()?.clone();
    let host = call.host()?.id;
    let place = super::subscriber::place(&app, &who)?;
    unusual(&app, &who, call.peer.addr);
    let v1 = upgrade::offers(&call.headers, SUBPROTOCOL);
    let authority = Authority::new(Arc::clone(&app), who.clone(), terminal::PERMISSION, Some(host));
    let visit = Visit {
        who,
        host,
        source: call.peer.addr,
        vocabulary: if v1 { Vocabulary::V1 } else { Vocabulary::Json },
    };
    let served = Arc::clone(&app);
    upgrade::accept(&app, &mut call, v1.then_some(SUBPROTOCOL), move |socket| async move {
        terminal::serve(served, visit, authority, socket).await;
        drop(place);
    })
    .await
}
