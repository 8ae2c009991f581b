//! Very many agents in one process: they take every command, and do nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use futures_util::{StreamExt as _, stream};
use gangplank_tests::{
    daemon::Daemon,
    http::Client,
    ws::{Incoming, Socket},
};
use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, timeout},
};

/// Connections opened at a time.
const TOGETHER: usize = 32;

/// For everything to have happened that was waited for.
const PATIENCE: Duration = Duration::from_secs(300);

/// Agents of hosts that were added for them.
pub(crate) struct Crowd {
    client: Client,
    /// API id and key of each.
    credentials: Vec<(String, String)>,
    seen: Arc<Seen>,
    agents: JoinSet<()>,
}

/// What all agents together have seen.
#[derive(Default)]
pub(crate) struct Seen {
    received: AtomicUsize,
    settled: AtomicUsize,
    more: Notify,
}

impl Crowd {
    /// Adds `count` hosts with one label.
    pub(crate) async fn new(daemon: &Daemon, admin: &Client, count: usize) -> Result<Self> {
        let add = |n: usize| async move {
            let body = json!({ "friendly_name": format!("crowd-{n}"), "labels": ["crowd"] });
            let host = admin.post("/api/v1/hosts", body).await.expect(201).json();
            let text = |name: &str| host[name].as_str().map(str::to_owned);
            Some((text("api_id")?, text("api_key")?))
        };
        let added: Vec<_> = stream::iter(0..count).map(add).buffered(TOGETHER).collect().await;
        let credentials = added.into_iter().collect::<Option<_>>().context("a host's key")?;
        let client = daemon.client().with_origin(None);
        Ok(Self { client, credentials, seen: Arc::default(), agents: JoinSet::new() })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.credentials.len()
    }

    /// Connects all of them.
    pub(crate) async fn connect(&mut self) {
        let client = &self.client;
        let mut opened = stream::iter(&self.credentials)
            .map(|(id, key)| async move {
                let upgrade = client.upgrade("/api/v1/agents/ws").protocol("gangplank.agent.v1");
                let upgrade = upgrade.header("X-API-ID", id).header("X-API-KEY", key);
                let mut socket = upgrade.open().await.expect("an agent is let in");
                socket.json(&json!({ "type": "hello" })).await;
                socket
            })
            .buffer_unordered(TOGETHER);
        while let Some(socket) = opened.next().await {
            self.agents.spawn(serve(socket, Arc::clone(&self.seen)));
        }
    }

    /// Ends all connections.
    pub(crate) async fn leave(&mut self) {
        self.agents.shutdown().await;
    }

    /// Forgets what was seen.
    pub(crate) fn forget(&self) {
        self.seen.received.store(0, Ordering::Relaxed);
        self.seen.settled.store(0, Ordering::Relaxed);
    }

    /// Until that many commands were received in all; when that was.
    pub(crate) async fn received(&self, count: usize) -> Result<Instant> {
        self.reached(&self.seen.received, count).await.context("receipts")
    }

    /// Until that many commands were settled in all; when that was.
    pub(crate) async fn settled(&self, count: usize) -> Result<Instant> {
        self.reached(&self.seen.settled, count).await.context("outcomes")
    }

    async fn reached(&self, counter: &AtomicUsize, count: usize) -> Result<Instant> {
        let wait = async {
            while counter.load(Ordering::Relaxed) < count {
                self.seen.more.notified().await;
            }
        };
        timeout(PATIENCE, wait).await?;
        Ok(Instant::now())
    }
}

/// Takes commands until it is dropped.
async fn serve(mut socket: Socket, seen: Arc<Seen>) {
    loop {
        // It may have to wait long for its turn.
        let Some(Incoming::Text(text)) = socket.next_within(PATIENCE).await else { return };
        let word: Value = serde_json::from_str(&text).expect("JSON");
        let say = |kind: &str| json!({ "type": kind, "job_id": word["job_id"], "attempt": word["attempt"] });
        match word["type"].as_str() {
            Some("job") => {
                seen.received.fetch_add(1, Ordering::Relaxed);
                socket.json(&say("job_received")).await;
                socket.json(&say("job_started")).await;
                let mut done = say("job_done");
                done["status"] = "succeeded".into();
                socket.json(&done).await;
            }
            Some("job_settled") => {
                seen.settled.fetch_add(1, Ordering::Relaxed);
            }
            _ => continue,
        }
        seen.more.notify_one();
    }
}
