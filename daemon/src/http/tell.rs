//! Tells one subscriber's socket what it follows.

use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::close::CloseCode;
use gangplank_proto::event::{GapRange, Positions};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::subscriber::{self, fault};
use super::upgrade::Stream;
use crate::app::App;
use crate::authority::Authority;
use crate::event::{self, Follower, Form, Heard, Topic};
use crate::socket::{self, Beat, End, Socket, Writer};

/// What a subscriber asked for.
#[derive(Debug)]
pub(super) struct Wish {
    /// Topics, each with the number after which it goes on.
    pub(super) topics: Vec<(Topic, u64)>,
    /// How much of each event it is told.
    pub(super) form: Form,
    /// Whether it understands that events are gone; who doesn't is closed then.
    pub(super) gaps: bool,
    /// Whether it is told first where each topic begins, so that it has a number to come back with
    /// before anything has happened.
    pub(super) positions: bool,
}

/// Serves a subscriber's socket to its end.
pub(super) async fn serve(
    app: Arc<App>,
    mut authority: Authority,
    wish: Wish,
    socket: Socket<Stream>,
) {
    let Socket { mut reader, mut writer, heartbeat } = socket;
    let tenant = authority.who.tenant;
    let gaps = wish.gaps;
    let positions = wish.positions;
    let end = match subscriber::follow_all(&app, tenant, &wish).await {
        Err(end) => end,
        Ok(followers) => {
            let patience = app.config().limits.channel_write;
            let mut teller = Teller { followers, writer: &mut writer, gaps, patience };
            tokio::select! {
                end = subscriber::over(&app, &mut authority, &mut reader) => end,
                end = teller.tell(positions, heartbeat.start()) => end,
            }
        }
    };
    socket::finish(&mut reader, &mut writer, end).await;
}

struct Teller<'a> {
    followers: Vec<Follower>,
    writer: &'a mut Writer<Stream>,
    gaps: bool,
    /// How long the subscriber may take nothing of what is sent.
    patience: Duration,
}

impl Teller<'_> {
    async fn tell(&mut self, positions: bool, beat: Beat) -> End {
        if positions && let Err(end) = self.begin().await {
            return end;
        }
        match self.run(beat).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    /// Says where each topic begins.
    async fn begin(&mut self) -> Result<(), End> {
        let at = |follower: &Follower| (follower.topic().as_str().to_owned(), follower.after());
        let positions = Positions { positions: self.followers.iter().map(at).collect() };
        let positions = serde_json::to_string(&positions).map_err(fault)?;
        self.send([Message::text(positions)]).await
    }

    async fn run(&mut self, mut beat: Beat) -> Result<std::convert::Infallible, End> {
        let mut more = true;
        loop {
            if more {
                more = false;
                for index in 0..self.followers.len() {
                    more |= self.catch_up(index).await?;
                }
                // Whoever is told without a pause is asked for a sign of life all the same.
                if Instant::now() < beat.at() {
                    continue;
                }
            }
            tokio::select! {
                () = changed(&mut self.followers), if !more => more = true,
                () = beat.due() => {
                    let ping = beat.ping()?;
                    self.send([ping]).await?;
                }
            }
        }
    }

    /// Sends a part of what the subscriber has not seen yet. True when there may be more.
    async fn catch_up(&mut self, index: usize) -> Result<bool, End> {
        let Some(follower) = self.followers.get_mut(index) else { return Ok(false) };
        let heard = follower.next().await.map_err(fault)?;
        if heard.is_empty() {
            return Ok(false);
        }
        let (topic, behind) = (follower.topic(), follower.is_behind());
        let Heard { gap, texts } = heard;
        let gap = gap.map(|gap| self.gap(topic, gap)).transpose()?;
        self.send(gap.into_iter().chain(texts.into_iter().map(Message::Text))).await?;
        Ok(behind)
    }

    fn gap(&self, topic: Topic, gap: GapRange) -> Result<Message, End> {
        if !self.gaps {
            // Bare messages have no word for it, and nothing may be missed unnoticed.
            return Err(End::close(CloseCode::Policy, "reading too slowly"));
        }
        let gap = serde_json::to_string(&event::gap(topic, gap)).map_err(fault)?;
        Ok(Message::text(gap))
    }

    /// Sends messages, and gives up on a subscriber that takes nothing.
    async fn send(&mut self, messages: impl IntoIterator<Item = Message>) -> Result<(), End> {
        let sent = async {
            for message in messages {
                self.writer.feed(message).await?;
            }
            self.writer.flush().await
        };
        match tokio::time::timeout(self.patience, sent).await {
            Ok(sent) => sent,
            Err(_) => Err(End::close(CloseCode::Policy, "reading too slowly")),
        }
    }
}

/// Waits until one of the topics has more.
pub(super) async fn changed(followers: &mut [Follower]) {
    if let [only] = followers {
        return only.changed().await;
    }
    let waits = followers.iter_mut().map(|follower| Box::pin(follower.changed()));
    let _ = futures_util::future::select_all(waits).await;
}
