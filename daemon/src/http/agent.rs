//! `GET /api/v1/agents/ws`.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use gangplank_proto::close::CloseCode;
use gangplank_proto::link::SUBPROTOCOL;

use super::error::Refusal;
use super::gate::Call;
use super::upgrade::{self, Stream};
use crate::app::App;
use crate::fleet;
use crate::link::{self, AgentLink, AgentPeer, Vocabulary};
use crate::socket::{End, Socket};
use crate::store::Heard;

/// Between two changes of a host's containers that are taken.
const CONTAINER_PACE: Duration = Duration::from_millis(100);

pub(super) async fn link(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let agent = call.agent()?.clone();
    let native = upgrade::offers(&call.headers, SUBPROTOCOL);
    let peer = AgentPeer {
        tenant: agent.tenant,
        host: agent.host,
        api_id: agent.api_id,
        secure: call.peer.secure,
        vocabulary: if native { Vocabulary::Native } else { Vocabulary::PatchMon },
        since: app.clock.now(),
        settings: app.store.host_settings(agent.tenant, agent.host).await?,
    };
    let served = Arc::clone(&app);
    upgrade::accept(&app, &mut call, native.then_some(SUBPROTOCOL), move |socket| async move {
        serve(served, peer, socket).await;
    })
    .await
}

async fn serve(app: Arc<App>, peer: AgentPeer, socket: Socket<Stream>) {
    let id = app.registry.connection_id();
    let (link, end, (mut words, mut changes)) = AgentLink::new(id, peer, socket.heartbeat.clone());
    let place = app.registry.enter(Arc::clone(&link));
    // A credential that was revoked between the gate and the registry is seen now.
    if !matches!(fleet::may_stay(&app, &link).await, Ok(true)) {
        link.close(End::close(CloseCode::Unauthenticated, "the credential was revoked"));
    }
    if link.peer.vocabulary == Vocabulary::PatchMon
        && let Err(error) = app.store.patchmon_came(link.peer.tenant, link.peer.host).await
    {
        tracing::error!(%error, host = %link.peer.host, "an agent's kind could not be kept");
    }
    tracing::info!(host = %link.peer.host, api_id = %link.peer.api_id, secure = link.peer.secure,
        vocabulary = ?link.peer.vocabulary, "an agent came");
    fleet::presence(&app, &link, fleet::CONNECTED).await;
    let mut hellos = link.hellos();
    let mut stopping = app.stopping();
    let reports = async {
        // Several that come while one is being kept count as the last of them.
        while hellos.changed().await.is_ok() {
            let Some(hello) = hellos.borrow_and_update().clone() else { continue };
            if let Err(error) = fleet::report(&app, &link, &hello).await {
                tracing::error!(%error, host = %link.peer.host, "a report could not be kept");
            }
        }
        std::future::pending::<()>().await;
    };
    let jobs = async {
        while let Some(what) = words.next().await {
            let (tenant, host) = (link.peer.tenant, link.peer.host);
            app.jobs.heard(link.id, Heard { tenant, host, what }).await;
        }
        std::future::pending::<()>().await;
    };
    let containers = async {
        while let Some(change) = changes.recv().await {
            if let Err(error) = fleet::container(&app, &link, &change).await {
                tracing::error!(%error, host = %link.peer.host, "a container's change could not be kept");
            }
            // One host's containers are no reason to keep the store busy.
            tokio::time::sleep(CONTAINER_PACE).await;
        }
        std::future::pending::<()>().await;
    };
    let goodbye = async {
        let end = stopping.wait().await;
        link.close(end);
        std::future::pending::<()>().await;
    };
    let end = tokio::select! {
        end = link::run(&link, end, socket) => end,
        () = reports => End::Gone,
        () = goodbye => End::Gone,
        () = jobs => End::Gone,
        () = containers => End::Gone,
    };
    app.jobs.left(link.peer.host, link.id);
    let reason = match &end {
        End::Gone => "the connection was lost".to_owned(),
        End::Close(CloseCode::GoingAway, _) => "the daemon stopped".to_owned(),
        End::Close(_, reason) => reason.clone(),
    };
    tracing::info!(host = %link.peer.host, %reason, "an agent left");
    if place.leave() {
        fleet::presence(&app, &link, &reason).await;
    }
}
