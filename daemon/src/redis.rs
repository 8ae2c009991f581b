//! Steps of automatic investigators that other programs leave in a Redis stream, taken as a consumer
//! group into the topic `agent_thoughts`.
//!
//! An entry is acknowledged to Redis once its event is committed, so none is lost; and its event is
//! published under the entry's id, so one that Redis hands out again is the one that is there. What
//! can't be read as a step is told in the log and passed over: it must not hold up what follows.

mod entry;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::streams::StreamReadReply;
use ::redis::streams::{StreamAutoClaimOptions, StreamAutoClaimReply, StreamId, StreamReadOptions};
use ::redis::{AsyncCommands as _, AsyncConnectionConfig, Client, RedisError};
use gangplank_proto::id::TenantId;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::RedisStream;
use crate::event::{Publication, Topic};
use crate::store::{Once, StoreError};

/// Entries taken at a time.
const TOGETHER: usize = 128;

/// How long Redis may keep us waiting for the next entry.
const BLOCK: Duration = Duration::from_secs(5);

/// An answer that takes longer never comes.
const ANSWER: Duration = Duration::from_secs(15);

/// For a connection to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// What another consumer has had for so long without a word was left by it.
const ABANDONED: Duration = Duration::from_secs(60);

/// Waits between two connections: the first, and the longest. A connection that stood for as long
/// as the longest wait was a good one.
const WAITS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Why the stream is not followed any more.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no tenant called {0:?} (redis.tenant)")]
    Tenant(String),
}

/// Takes entries until the daemon stops; through every failure of Redis or the store.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let Some(stream) = app.config().redis.clone() else { return };
    let (first, longest) = WAITS;
    let mut wait = first;
    loop {
        let began = Instant::now();
        let Err(error) = tokio::select! {
            () = stop.cancelled() => return,
            end = follow(&app, &stream) => end,
        };
        if began.elapsed() > longest {
            wait = first;
        }
        let (name, retry_in) = (&stream.stream, wait.as_millis());
        tracing::warn!(%error, stream = ?name, %retry_in, "a Redis stream can't be followed");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = (wait * 2).min(longest);
    }
}

async fn follow(app: &App, stream: &RedisStream) -> Result<Infallible, FollowError> {
    let tenant = match &stream.tenant {
        None => app.first_tenant,
        Some(name) => {
            let found = app.store.tenant_called(name).await?;
            found.ok_or_else(|| FollowError::Tenant(name.clone()))?.id
        }
    };
    let client = Client::open(stream.server.expose())?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(ANSWER));
    let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let mut group = Group { app, stream, tenant, connection };
    group.make().await?;
    tracing::info!(stream = ?stream.stream, group = ?stream.group, "following a Redis stream");
    // What was handed to us before and not acknowledged comes first.
    group.own().await?;
    loop {
        group.abandoned().await?;
        let until = Instant::now() + ABANDONED;
        while Instant::now() < until {
            let new = group.read(">").await?;
            group.take(new).await?;
        }
    }
}

/// A consumer of a group.
struct Group<'a> {
    app: &'a App,
    stream: &'a RedisStream,
    tenant: TenantId,
    connection: MultiplexedConnection,
}

impl Group<'_> {
    /// Makes stream and group if they are not there, so that what is in the stream already counts.
    async fn make(&mut self) -> Result<(), RedisError> {
        let RedisStream { stream, group, .. } = self.stream;
        let made: Result<(), _> = self.connection.xgroup_create_mkstream(stream, group, "0").await;
        match made {
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
            made => made,
        }
    }

    /// Takes what was handed to this consumer and not acknowledged.
    async fn own(&mut self) -> Result<(), FollowError> {
        let mut after = "0".to_owned();
        loop {
            let entries = self.read(&after).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            after.clone_from(&last.id);
            self.take(entries).await?;
        }
    }

    /// Takes what another consumer of the group was handed and left.
    async fn abandoned(&mut self) -> Result<(), FollowError> {
        let mut from = "0-0".to_owned();
        loop {
            let RedisStream { stream, group, consumer, .. } = self.stream;
            let options = StreamAutoClaimOptions::default().count(TOGETHER);
            let idle = u64::try_from(ABANDONED.as_millis()).unwrap_or(u64::MAX);
            let reply: StreamAutoClaimReply = self
                .connection
                .xautoclaim_options(stream, group, consumer, idle, &from, options)
                .await?;
            self.take(reply.claimed).await?;
            if reply.next_stream_id == "0-0" {
                return Ok(());
            }
            from = reply.next_stream_id;
        }
    }

    async fn read(&mut self, after: &str) -> Result<Vec<StreamId>, RedisError> {
        let RedisStream { stream, group, consumer, .. } = self.stream;
        let block = usize::try_from(BLOCK.as_millis()).unwrap_or(usize::MAX);
        let options =
            StreamReadOptions::default().group(group, consumer).count(TOGETHER).block(block);
        let reply: Option<StreamReadReply> =
            self.connection.xread_options(&[stream], &[after], &options).await?;
        let keys = reply.map(|reply| reply.keys).unwrap_or_default();
        Ok(keys.into_iter().flat_map(|key| key.ids).collect())
    }

    /// Commits entries, then acknowledges them.
    async fn take(&mut self, entries: Vec<StreamId>) -> Result<(), FollowError> {
        if entries.is_empty() {
            return Ok(());
        }
        let RedisStream { stream, group, .. } = self.stream;
        let mut publishing = Vec::with_capacity(entries.len());
        for entry in &entries {
            match entry::thought(entry) {
                Ok(message) => publishing.push(self.publication(&entry.id, message)),
                Err(error) => {
                    tracing::warn!(%error, entry = ?entry.id, "an entry of a stream is passed over");
                }
            }
        }
        self.app.events.publish_each(publishing).await?;
        let ids: Vec<_> = entries.into_iter().map(|entry| entry.id).collect();
        let _: usize = self.connection.xack(stream, group, &ids).await?;
        Ok(())
    }

    fn publication(&self, id: &str, message: serde_json::Value) -> Publication {
        let digest = hex::encode(Sha256::digest(message.to_string()));
        let once = Once { key: format!("redis:{}:{id}", self.stream.stream), digest };
        let (tenant, topic) = (self.tenant, Topic::AgentThoughts);
        Publication { tenant, topic, messages: vec![message], once: Some(once) }
    }
}
