//! One socket to a PatchMon server: JSON text messages, told apart by `type`. What isn't understood
//! is left alone, as PatchMon's own agent does.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use gangplank_proto::link::FromTerminal;
use gangplank_proto::patchmon::ToPatchmon;
use gangplank_terminal::link::Channels;
use gangplank_terminal::queue::Outlet;
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::errand::Errands;
use super::terminals::{Asked, Terminals, size};
use crate::link::{Connected, Ended};

/// Heartbeats without a sign of life until the server counts as dead.
const MISSED: u32 = 3;

/// For the socket to take one message.
const WRITE: Duration = Duration::from_secs(20);

/// An open link.
#[derive(Debug)]
pub(super) struct Link {
    socket: Connected,
    terminals: Terminals,
    heartbeat: Duration,
}

impl Link {
    pub(super) fn new(
        socket: Connected,
        channels: (Channels, Outlet<FromTerminal>),
        ssh_dir: PathBuf,
        heartbeat: Duration,
    ) -> Self {
        Self { socket, terminals: Terminals::new(channels, ssh_dir), heartbeat }
    }

    /// Serves the link until it is over.
    pub(super) async fn run(mut self, errands: &mut Errands) -> Ended {
        match self.serve(errands).await {
            Ok(ended) | Err(ended) => ended,
        }
    }

    async fn serve(&mut self, errands: &mut Errands) -> Result<Ended, Ended> {
        let mut ping = interval_at(Instant::now() + self.heartbeat, self.heartbeat);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            let dead = heard + MISSED * self.heartbeat;
            tokio::select! {
                message = self.socket.next() => {
                    heard = Instant::now();
                    match message {
                        None => return Ok(Ended::HungUp),
                        Some(message) => {
                            if let Some(ended) = self.take(message?, errands).await? {
                                return Ok(ended);
                            }
                        }
                    }
                }
                wish = self.terminals.next() => {
                    for message in self.terminals.grant(wish)? {
                        self.say(&message).await?;
                    }
                }
                word = errands.next() => self.say(&word).await?,
                _ = ping.tick() => self.send(Message::Ping(Bytes::new())).await?,
                () = sleep_until(dead) => return Ok(Ended::Silent),
            }
        }
    }

    async fn take(
        &mut self,
        message: Message,
        errands: &mut Errands,
    ) -> Result<Option<Ended>, Ended> {
        match message {
            Message::Text(text) => self.obey(&text, errands).await?,
            Message::Close(frame) => {
                let (code, reason) = frame.map_or((1005, Default::default()), |frame| {
                    (frame.code.into(), frame.reason.as_str().into())
                });
                return Ok(Some(Ended::Closed { code, reason }));
            }
            _ => {}
        }
        Ok(None)
    }

    async fn obey(&mut self, text: &str, errands: &mut Errands) -> Result<(), Ended> {
        // The parser's own text may quote a secret.
        let Ok(order) = serde_json::from_str::<ToPatchmon>(text) else { return Ok(()) };
        match order {
            order @ ToPatchmon::SshProxy { .. } => {
                let Some(asked) = Asked::of(order) else { return Ok(()) };
                if let Some(refusal) = self.terminals.connect(asked).await? {
                    self.say(&refusal).await?;
                }
            }
            ToPatchmon::SshProxyInput { session_id, data } => {
                self.terminals.input(&session_id, &data)?;
            }
            ToPatchmon::SshProxyResize { session_id, cols, rows } => {
                self.terminals.resize(&session_id, size(cols, rows))?;
            }
            ToPatchmon::SshProxyDisconnect { session_id } => {
                self.terminals.disconnect(&session_id)?;
            }
            ToPatchmon::ReportNow => errands.report(),
            ToPatchmon::DockerInventoryRefresh => errands.docker(),
            ToPatchmon::RefreshIntegrationStatus => errands.integrations(),
            ToPatchmon::SettingsUpdate { update_interval } => errands.every(update_interval),
            ToPatchmon::ComplianceScan { profile_id, .. } => {
                errands.scan(profile_id.filter(|id| id != "all"));
            }
            ToPatchmon::ComplianceScanCancel => errands.cancel_scan(),
            ToPatchmon::UpdateAgent => {
                tracing::info!("the server wants an update: this agent takes signed ones only");
            }
            // What this host allows is its own file's to say.
            _ => {}
        }
        Ok(())
    }

    async fn say(&mut self, message: &Value) -> Result<(), Ended> {
        self.send(Message::text(message.to_string())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        match timeout(WRITE, self.socket.send(message)).await {
            Ok(sent) => Ok(sent?),
            Err(_) => Err(Ended::Silent),
        }
    }
}
