//! The gateway of a host: streams from its agent's host, which the daemon's own terminals go
//! through.

use std::sync::Arc;

use futures_util::FutureExt as _;
use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::id::{HostId, SessionId, TenantId};
use gangplank_proto::limit;
use gangplank_proto::link::ToTerminal;
use gangplank_terminal::channel::Channel;
use gangplank_terminal::stream::Gateway;

use super::terminal::away;
use crate::app::App;
use crate::link::Vocabulary;

/// The way through a gateway, whose agent must be here now and may be lost later.
///
/// # Errors
/// `agent_offline` and `not_allowed`, each with the gateway's name.
pub(super) async fn gateway(
    app: &Arc<App>,
    tenant: TenantId,
    host: HostId,
) -> Result<Gateway, OpenError> {
    let gateway = app.store.host(tenant, host).await.map_err(|error| {
        tracing::error!(%error, "the store failed");
        OpenError::new(ErrorCode::Internal, "the store can't be reached right now")
    })?;
    let name: Arc<str> = gateway.map(|host| host.friendly_name).unwrap_or_default().into();
    let app = Arc::clone(app);
    Ok(Gateway::new(move |first| {
        let (app, name) = (Arc::clone(&app), Arc::clone(&name));
        async move {
            if matches!(first, ToTerminal::Attach { .. }) {
                away::back(&app, host, None).await;
            }
            channel(&app, host, &name, first)
        }
        .boxed()
    }))
}

/// The gateway that a terminal of a host goes through, for what a page is told of it.
pub(super) async fn of(
    app: &App,
    tenant: TenantId,
    host: HostId,
    session_id: SessionId,
) -> Option<HostId> {
    if !app.keeper.holds(session_id) {
        return None;
    }
    // Without the store nothing is told; the terminal is there all the same.
    app.store.host(tenant, host).await.ok().flatten()?.gateway
}

fn channel(app: &App, host: HostId, name: &str, first: ToTerminal) -> Result<Channel, OpenError> {
    let Some(link) = app.registry.of_host(host) else {
        let message = format!(
            "the agent of this host's gateway {name:?} is not connected; check it with \
             'gangplank-agent ping'"
        );
        return Err(OpenError::new(ErrorCode::AgentOffline, message));
    };
    if link.peer.vocabulary == Vocabulary::PatchMon {
        let message = format!("the agent of this host's gateway {name:?} can't be a gateway");
        return Err(OpenError::new(ErrorCode::NotAllowed, message));
    }
    link.channel(first, limit::TERMINAL_WINDOW, None)
}
