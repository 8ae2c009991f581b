//! `GET /bullboard`: all jobs of a tenant, as a snapshot and then as the changes to it.
//!
//! Changes are read from the store by number, as every event is, so that a slow subscriber holds
//! nothing but its number. One that is too far behind gets a new snapshot instead of all of them.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use gangplank_proto::event::Event;
use gangplank_proto::id::{BatchId, TenantId};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::error::Refusal;
use super::gate::Call;
use super::subscriber::{self, fault};
use super::upgrade::{self, Stream};
use crate::app::App;
use crate::auth::Permission;
use crate::authority::Authority;
use crate::event::{Listener, Topic};
use crate::socket::{self, Beat, End, Socket, Writer};
use crate::store::{BatchState, Board, Tally};

/// Changes that are told one by one; whoever has missed more gets a snapshot.
const CHANGES: u32 = 128;

/// Counts and the progress of batches are told at most once in this time.
const TALLY: Duration = Duration::from_secs(1);

/// What a subscriber is told.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Word<'a> {
    /// Everything, once at the beginning and whenever too much was missed.
    Snapshot(&'a Board),
    /// An event of the topic.
    Change(&'a Event),
    /// How many jobs are in each state by now, and how far the batches are that moved.
    Tally(&'a Tally),
}

pub(super) async fn socket(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let who = call.person()?.clone();
    let place = subscriber::place(&app, &who)?;
    let served = Arc::clone(&app);
    upgrade::accept(&app, &mut call, None, move |socket| async move {
        let authority = Authority::new(Arc::clone(&served), who, Permission::JobsRead, None);
        serve(served, authority, socket).await;
        drop(place);
    })
    .await
}

async fn serve(app: Arc<App>, mut authority: Authority, socket: Socket<Stream>) {
    let Socket { mut reader, mut writer, heartbeat } = socket;
    let tenant = authority.who.tenant;
    let end = match subscriber::follow(&app, tenant, Topic::Jobs).await {
        Err(end) => end,
        Ok(latest) => {
            let mut teller = Teller {
                app: &app,
                tenant,
                latest,
                after: 0,
                writer: &mut writer,
                moved: BTreeSet::new(),
                tally_at: None,
            };
            tokio::select! {
                end = subscriber::over(&app, &mut authority, &mut reader) => end,
                Err(end) = teller.tell(heartbeat.start()) => end,
            }
        }
    };
    socket::finish(&mut reader, &mut writer, end).await;
}

/// Tells one subscriber.
struct Teller<'a> {
    app: &'a App,
    tenant: TenantId,
    latest: Listener,
    /// Number of the newest event that was told.
    after: u64,
    writer: &'a mut Writer<Stream>,
    /// Batches that moved since the last tally.
    moved: BTreeSet<BatchId>,
    /// When the next tally is due, if something has changed.
    tally_at: Option<Instant>,
}

impl Teller<'_> {
    async fn tell(&mut self, mut beat: Beat) -> Result<Infallible, End> {
        self.snapshot().await?;
        loop {
            self.writer.flush().await?;
            tokio::select! {
                () = self.latest.changed() => self.catch_up().await?,
                () = at(self.tally_at) => self.tally().await?,
                () = beat.due() => self.writer.feed(beat.ping()?).await?,
            }
        }
    }

    async fn say(&mut self, word: &Word<'_>) -> Result<(), End> {
        self.writer.feed(Message::text(serde_json::to_string(word).map_err(fault)?)).await
    }

    async fn snapshot(&mut self) -> Result<(), End> {
        let board = self.app.store.job_board(self.tenant).await.map_err(fault)?;
        self.after = board.seq;
        self.moved.clear();
        self.tally_at = None;
        self.say(&Word::Snapshot(&board)).await
    }

    /// Tells what the subscriber has not seen yet.
    async fn catch_up(&mut self) -> Result<(), End> {
        let topic = Topic::Jobs.as_str();
        let missed = self.app.store.events_after(self.tenant, topic, self.after, CHANGES).await;
        let missed = missed.map_err(fault)?;
        let behind = missed.last_seq.saturating_sub(self.after);
        if missed.gap.is_some() || behind > u64::from(CHANGES) {
            return self.snapshot().await;
        }
        for event in &missed.events {
            if moves_unnamed(event) {
                return self.snapshot().await;
            }
            self.after = event.seq;
            let batch = event.data.get("batch_id").and_then(Value::as_str);
            self.moved.extend(batch.and_then(|id| id.parse::<BatchId>().ok()));
            self.say(&Word::Change(event)).await?;
            self.tally_at.get_or_insert_with(|| Instant::now() + TALLY);
        }
        Ok(())
    }

    async fn tally(&mut self) -> Result<(), End> {
        self.tally_at = None;
        let moved = std::mem::take(&mut self.moved);
        let tally = self.app.store.job_tally(self.tenant, moved).await.map_err(fault)?;
        self.say(&Word::Tally(&tally)).await
    }
}

/// Whether an event stands for changes of jobs that have no event of their own: the jobs of a batch
/// are made all at once, and what waits of it is called off all at once.
fn moves_unnamed(event: &Event) -> bool {
    let says = |key, wanted: &str| event.data.get(key).is_some_and(|value| value == wanted);
    let begins = says("created_at", &event.at);
    says("kind", "batch") && (begins || says("state", &BatchState::Halted.to_string()))
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
