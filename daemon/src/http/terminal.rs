//! `GET /api/v1/ssh-terminal/{host_id}`.

use std::sync::Arc;

use axum::response::Response;
use gangplank_proto::terminal::SUBPROTOCOL;

use super::error::Refusal;
use super::gate::Call;
use super::upgrade;
use crate::app::App;
use crate::authority::Authority;
use crate::session::page::Vocabulary;
use crate::session::terminal::{self, Visit};

pub(super) async fn socket(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let who = call.person()?.clone();
    let host = call.host()?.id;
    let place = super::subscriber::place(&app, &who)?;
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
