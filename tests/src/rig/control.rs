//! Those who use the daemon while it is attacked, and must notice nothing: a terminal that echoes, an
//! agent, a subscriber, and somebody who asks again and again whether the process runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::timeout};

use super::{Rig, footprint::Footprint, is_soak};
use crate::{
    agent::shell_user,
    http::Client,
    page::Page,
    ws::{Incoming, Socket},
};

/// Pause between two echoes.
const PAUSE: Duration = Duration::from_millis(200);

/// How long an echo and an answer of `/healthz` may take where the machine may be busy with anything.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked of a machine that does nothing else: of 99 of 100 echoes, and of each answer.
const ECHO: Duration = Duration::from_millis(250);
const HEALTH: Duration = Duration::from_secs(1);

/// The control group of one attack.
#[derive(Debug)]
pub struct Control {
    admin: Client,
    subscriber: Socket,
    since: Value,
    stop: Arc<AtomicBool>,
    echoes: JoinHandle<Vec<Duration>>,
    health: JoinHandle<Vec<Duration>>,
    pub(super) pid: i32,
    pub(super) before: Footprint,
}

impl Control {
    pub(super) async fn start(rig: &Rig) -> Self {
        let admin = rig.daemon().admin().await;
        let host = rig.host().await.to_owned();
        let subscriber = admin.upgrade("/api/v1/ws/events?topics=hosts").open().await;
        let mut page = Page::open(&admin, &host).await;
        page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
        page.proves_a_shell().await;
        let since = admin.status(&host).await["since"].clone();
        let stop = Arc::new(AtomicBool::new(false));
        let pid = rig.daemon().pid();
        Self {
            subscriber: subscriber.expect("a subscription"),
            since,
            pid,
            before: Footprint::of(pid),
            echoes: tokio::spawn(echo(page, Arc::clone(&stop))),
            health: tokio::spawn(health(rig.client(), Arc::clone(&stop))),
            stop,
            admin,
        }
    }

    /// Ends the group's work and checks that none of it was disturbed.
    pub(super) async fn noticed_nothing(mut self, host: &str) {
        self.stop.store(true, Ordering::Relaxed);
        let echoes = self.echoes.await.expect("the terminal echoed throughout");
        let health = self.health.await.expect("the daemon was well throughout");
        let (echo, slowest) = (percentile(&echoes), health.iter().max().expect("an answer"));
        eprintln!(
            "control group: {} echoes, 99 of 100 within {echo:?}; {} answers within {slowest:?}",
            echoes.len(),
            health.len()
        );
        if is_soak() {
            assert!(echo <= ECHO, "echoes took {echo:?}");
            assert!(*slowest <= HEALTH, "an answer took {slowest:?}");
        }
        let name = format!("after-{}", echoes.len());
        let made = self.admin.add_host(&name, None).await;
        let id = made["id"].as_str().expect("an id");
        loop {
            match self.subscriber.next().await {
                Incoming::Text(text) => {
                    assert!(!text.contains("CANARY-"), "a secret was told: {text}");
                    if text.contains(&name) {
                        break;
                    }
                }
                other => panic!("the subscriber lost its socket: {other:?}"),
            }
        }
        self.admin.delete(&format!("/api/v1/hosts/{id}")).await.expect(204);
        let status = self.admin.status(host).await;
        assert_eq!(status["state"], "online", "{status}");
        assert_eq!(status["since"], self.since, "the agent came anew");
    }
}

/// Types and waits for the echo, again and again.
async fn echo(mut page: Page, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut took = Vec::new();
    while !stop.load(Ordering::Relaxed) || took.is_empty() {
        let (number, start) = (took.len(), Instant::now());
        page.keys(&format!("echo con''trol-{number}.\r")).await;
        let shown = format!("control-{number}.");
        timeout(PATIENCE, page.shows(&shown)).await.expect("an echo in time");
        took.push(start.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    took
}

/// Asks whether the process runs, again and again.
async fn health(client: Client, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut took = Vec::new();
    while !stop.load(Ordering::Relaxed) || took.is_empty() {
        let start = Instant::now();
        let answer = timeout(PATIENCE, client.get("/healthz")).await;
        answer.expect("an answer in time").expect(200);
        took.push(start.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    took
}

/// What 99 of 100 don't exceed.
fn percentile(took: &[Duration]) -> Duration {
    let mut sorted = took.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() * 99).div_ceil(100) - 1]
}
