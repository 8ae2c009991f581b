//! This agent in the service of a PatchMon server, 1.4 or 2.1, for those who keep theirs: its socket,
//! SSH through this host, reports, containers, scans. What the host's own file allows counts here as
//! everywhere, and nothing that such a server sends changes this program.
//!
//! ```text
//!   ping ──> socket ──> serve ──> backoff ──> ping …
//!                       │  ▲
//!     orders, SSH input ▼  │ output, progress
//!             errands (by HTTP)   terminals ──> keeper
//! ```

mod body;
mod errand;
mod http;
mod link;
mod terminals;

use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::limit;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::agent::State;
use crate::config::{Credentials, Local};
use crate::dial::Dialer;
use crate::link::{Backoff, connect};
use crate::policy::Account;
use crate::update::Updates;

use errand::Errands;
use http::Server;
pub use http::ServerError;
use link::Link;

/// What a link to a PatchMon server needs of its agent.
#[derive(Debug)]
pub(crate) struct Service<'a> {
    pub(crate) dialer: &'a Dialer,
    pub(crate) credentials: &'a Credentials,
    pub(crate) local: watch::Receiver<Arc<Local>>,
    pub(crate) own: &'a Account,
    pub(crate) keeper: &'a gangplank_terminal::keeper::Keeper,
    pub(crate) state: &'a watch::Sender<State>,
    pub(crate) updates: &'a Updates,
    pub(crate) heartbeat: Duration,
}

impl Service<'_> {
    /// Serves until `stop` is cancelled: connects, serves, and connects again.
    pub(crate) async fn run(&self, stop: &CancellationToken, random: impl Fn() -> f64) {
        let server = Server::new(self.dialer.clone(), self.credentials.clone());
        let mut errands = Errands::new(server.clone(), self.local.clone());
        let mut backoff = Backoff::default();
        while !stop.is_cancelled() {
            let since = Instant::now();
            let (why, loss) = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                ended = self.serve(&server, &mut errands) => ended,
            };
            let lived = since.elapsed();
            let wait = backoff.next(loss, lived, false, random());
            tracing::warn!(why, again_in = format!("{:.1} s", wait.as_secs_f64()), "no link");
            self.state.send_replace(State::Waiting { why });
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(wait) => {}
            }
        }
        errands.stop().await;
    }

    /// One link, from its greeting to its end.
    async fn serve(&self, server: &Server, errands: &mut Errands) -> (String, crate::link::Loss) {
        if let Err(error) = server.ping().await {
            return (error.to_string(), error.loss());
        }
        errands.begin(server.interval().await);
        let socket = match connect(self.dialer, self.credentials).await {
            Ok(socket) => socket,
            Err(error) => return (error.to_string(), error.loss()),
        };
        tracing::info!(server = %self.dialer.url(), secure = self.dialer.secure(),
            "connected to a PatchMon server");
        self.state.send_replace(State::Connected);
        // A version that somebody put on trial elsewhere works here, too; who ordered it is not here.
        let _ = self.updates.connected().await;
        let (local, own) = (self.local.clone(), self.own.clone());
        let check = move |open: &gangplank_proto::link::Open| {
            let policy = Arc::clone(&local.borrow());
            policy.policy.check(open, &own).map_err(|refusal| refusal.to_string())
        };
        let channels = gangplank_terminal::link::Channels::new(
            self.keeper.clone(),
            Box::new(check),
            limit::CHANNELS_PER_LINK,
        );
        let ssh_dir = self.local.borrow().ssh_dir.clone();
        let link = Link::new(socket, channels, ssh_dir, self.heartbeat);
        let ended = link.run(errands).await;
        // Such a server knows no terminal again.
        self.keeper.list().iter().for_each(|held| {
            self.keeper.end(held.session_id);
        });
        (ended.to_string(), ended.loss())
    }
}
