//! What the channels hear of a terminal before it is open; from then on the store tells them.

use gangplank_proto::channel::SessionState;
use gangplank_proto::error::{ErrorCode, OpenError};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Opening, Terminal};
use crate::alert;
use crate::event::Topic;
use crate::store::{SessionMessage, SessionNews};

impl<S: AsyncRead + AsyncWrite + Unpin> Terminal<S> {
    /// A terminal was asked for.
    pub(super) async fn announce_opening(&mut self, opening: &Opening) {
        let news = SessionNews {
            host_name: Some(opening.host_name.clone()),
            mode: Some(opening.mode.as_str().to_owned()),
            user: Some(self.visit.who.username.clone()),
            ..SessionNews::new(opening.session_id, self.visit.host, SessionState::Connecting)
        };
        let news = news.through(opening.gateway);
        self.announce(news.clone()).await;
        self.opening = Some(news);
    }

    /// It is not to be had.
    pub(super) async fn announce_refusal(&mut self, error: &OpenError) {
        if error.code == ErrorCode::HostKeyChanged {
            let shown = error.host_key.as_ref().map(|key| key.fingerprint.as_str());
            alert::host_key_changed(&self.app, self.visit.who.tenant, self.visit.host, shown).await;
        }
        let Some(news) = self.opening.take() else { return };
        let code = serde_json::to_value(error.code).ok();
        let code = code.and_then(|code| code.as_str().map(str::to_owned));
        let reason = Some(error.message.clone());
        self.announce(SessionNews { state: SessionState::Error, code, reason, ..news }).await;
    }

    /// It was given up before it was open.
    pub(super) async fn announce_given_up(&mut self, reason: &str) {
        let Some(news) = self.opening.take() else { return };
        let reason = Some(reason.to_owned());
        self.announce(SessionNews { state: SessionState::Disconnected, reason, ..news }).await;
    }

    async fn announce(&self, news: SessionNews) {
        let (tenant, message) = (self.visit.who.tenant, SessionMessage::from(news));
        // The terminal is the same whether anybody hears of it or not.
        if let Err(error) = self.app.events.publish(tenant, Topic::Vpn, &message).await {
            tracing::error!(%error, "news of a terminal could not be published");
        }
    }
}
