//! What a page is told of its terminal's gateway: the terminal waits by itself while that is away.

use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::id::HostId;
use gangplank_proto::terminal::ToPage;
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::page::Vocabulary;
use super::{State, Terminal, away};
use crate::app::App;
use crate::socket::End;

/// The gateway of the terminal that a socket shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watched {
    host: HostId,
    /// Whether the page was told that it is away.
    told_away: bool,
}

impl Watched {
    /// Only pages of our own have a word for a terminal that waits.
    pub(super) fn new(gateway: Option<HostId>, vocabulary: Vocabulary) -> Option<Self> {
        let host = gateway.filter(|_| vocabulary == Vocabulary::V1)?;
        Some(Self { host, told_away: false })
    }

    /// Waits until it is no longer as the page was told.
    pub(super) async fn news(self, app: &App) {
        if self.told_away {
            return away::back(app, self.host, None).await;
        }
        // Watched before it is looked at, so that nothing falls in between.
        let mut changes = app.registry.watch();
        while app.registry.of_host(self.host).is_some_and(|link| !link.has_ended()) {
            if changes.changed().await.is_err() {
                // The registry lives as long as the daemon.
                return std::future::pending().await;
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Terminal<S> {
    /// The gateway left or is back.
    pub(super) async fn gateway_news(&mut self) -> Result<(), End> {
        let (State::Open(shown, _), Some(gateway)) = (&self.state, &mut self.gateway) else {
            return Ok(());
        };
        gateway.told_away = !gateway.told_away;
        if gateway.told_away {
            let message = "the connection to the agent of this host's gateway is lost";
            return self.page.error(OpenError::new(ErrorCode::AgentOffline, message)).await;
        }
        let word = ToPage::Connected {
            session_id: shown.session_id,
            offset: shown.output,
            input_offset: shown.log.end(),
            resumed: true,
            host_key: shown.host_key,
            replay_to: None,
        };
        self.page.word(&word).await
    }
}
