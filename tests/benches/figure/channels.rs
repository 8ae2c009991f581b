//! Channels of dashboards: how soon one event is with everybody, what a subscriber costs, and how
//! many events go through.

use std::{
    any::Any,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use gangplank_proto::channel::Channel;
use gangplank_tests::{
    channel::{Publisher, alert},
    daemon::Daemon,
    http::Client,
};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, interval, timeout},
};

use crate::{
    ear::Ear,
    table::{Bound::AtMost, Column, Figure, Row, Values},
    usage,
    way::peer::Hub,
};

/// Subscribers of one event.
const CROWD: usize = 500;

/// Subscribers of a stream, its events a second, and its seconds.
const STREAM: (usize, u64, u64) = (100, 10_000, 10);

/// Publications a second into which a stream is cut, and who make them.
const PUBLICATIONS: u64 = 100;
const PUBLISHERS: u64 = 4;

const NAME: &str = "Gangplank";

/// The peer, which keeps nothing.
const HUB: &str = "hub of Node, nothing kept";

const FAN_OUT: &[Column] = &[
    Column { key: "last_ms", head: "last receipt ms", digits: 1 },
    Column { key: "ratio", head: "× hub of Node", digits: 2 },
    Column { key: "accepted_ms", head: "accepted ms", digits: 1 },
    Column { key: "subscriber_kib", head: "RSS a subscriber KiB", digits: 1 },
    Column { key: "cpu_ms", head: "daemon CPU ms", digits: 1 },
];

const THROUGH: &[Column] = &[
    Column { key: "published_s", head: "published events/s", digits: 0 },
    Column { key: "behind_ms", head: "last receipt behind ms", digits: 0 },
    Column { key: "growth_mib", head: "RSS growth MiB", digits: 1 },
    Column { key: "cores", head: "daemon cores", digits: 2 },
];

/// Both figures.
pub(crate) async fn run(rounds: usize, quick: bool, peers: Option<&Path>) -> Result<Vec<Figure>> {
    let crowd = if quick { 20 } else { CROWD };
    let stream = if quick { (5, 1_000, 1) } else { STREAM };
    let title = format!("One event to {crowd} subscribers over TLS");
    let mut first = figure("channels-fan-out", title, FAN_OUT);
    let title = format!("{} events a second to {} subscribers", stream.1, stream.0);
    let mut second = figure("channels-through", title, THROUGH);
    let names = if peers.is_some() { &[NAME, HUB][..] } else { &[NAME] };
    for &name in names {
        let mut row = Row::new(name);
        let events = if quick { 3 } else { rounds * 10 };
        if let Err(error) = fan_out(&mut row, peers, crowd, events).await {
            row.add(Err(error));
        }
        first.rows.push(row);
        let mut row = Row::new(name);
        for _ in 0..rounds.min(3) {
            row.add(through(name, peers, stream).await);
        }
        second.rows.push(row);
    }
    first.aim("last receipt ms", first.median(NAME, "last_ms"), AtMost(8.0));
    first.aim("RSS a subscriber KiB", first.median(NAME, "subscriber_kib"), AtMost(22.0));
    first.compare(HUB, "last_ms", "ratio");
    second.aim("last receipt behind ms", second.median(NAME, "behind_ms"), AtMost(1_000.0));
    second.aim("RSS growth MiB", second.median(NAME, "growth_mib"), AtMost(64.0));
    Ok(vec![first, second])
}

fn figure(id: &'static str, title: String, columns: &'static [Column]) -> Figure {
    Figure { id, title, columns, rows: Vec::new(), aims: Vec::new() }
}

/// What subscribers have received, all together.
#[derive(Default)]
struct Received {
    count: AtomicU64,
    news: Notify,
}

impl Received {
    async fn until(&self, count: u64) -> Result<Instant> {
        let reached = async {
            loop {
                let news = self.news.notified();
                if self.count.load(Ordering::Acquire) >= count {
                    return Instant::now();
                }
                news.await;
            }
        };
        Ok(timeout(Duration::from_secs(120), reached).await?)
    }
}

/// Subscribers that count what they are told, and tell when `part` more were told to all together.
async fn listen(admin: &Client, crowd: usize, part: u64) -> (Arc<Received>, JoinSet<()>) {
    let received = Arc::new(Received::default());
    let mut listening = JoinSet::new();
    for _ in 0..crowd {
        let mut ear = Ear::new(admin.listen(Channel::Alerts, "").await);
        let received = Arc::clone(&received);
        listening.spawn(async move {
            while let Ok(texts) = ear.texts().await {
                let before = received.count.fetch_add(texts, Ordering::AcqRel);
                if (before + texts) / part > before / part {
                    received.news.notify_one();
                }
            }
        });
    }
    (received, listening)
}

/// Where events are published and listened to.
struct Server {
    client: Client,
    pid: Pid,
    /// What runs as long as this is there.
    _running: Box<dyn Any>,
}

impl Server {
    async fn start(name: &str, peers: Option<&Path>, crowd: usize) -> Result<Self> {
        if name == HUB {
            let hub = Hub::start(peers.context("no directory of peers")?).await?;
            return Ok(Self { client: hub.client(), pid: hub.pid(), _running: Box::new(hub) });
        }
        let crowd = (crowd * 2).to_string();
        let daemon = Daemon::with(&[("limits.sockets_per_user", &crowd)]);
        let (client, pid) = (daemon.admin().await, Pid::from_raw(daemon.pid()));
        Ok(Self { client, pid, _running: Box::new(daemon) })
    }
}

async fn fan_out(row: &mut Row, peers: Option<&Path>, crowd: usize, rounds: usize) -> Result<()> {
    let server = Server::start(&row.name, peers, crowd).await?;
    let (admin, pid) = (&server.client, server.pid);
    let mut publisher = Publisher::open(admin, Channel::Alerts).await?;
    publisher.publish(&alert(0)).await?;
    let before = usage::resident(&[pid]);
    let (received, _listening) = listen(admin, crowd, crowd as u64).await;
    // The first one finds everybody settled.
    publisher.publish(&alert(0)).await?;
    received.until(crowd as u64).await?;
    let each = usage::resident(&[pid]).saturating_sub(before) as f64 / 1024.0 / crowd as f64;
    for round in 1..=rounds as u64 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let cpu = usage::cpu(&[pid]);
        let begin = Instant::now();
        let body = alert(round);
        let (accepted, last) = tokio::join!(
            async {
                publisher.publish(&body).await?;
                anyhow::Ok(Instant::now())
            },
            received.until((round + 1) * crowd as u64)
        );
        let millis = |end: Instant| end.duration_since(begin).as_secs_f64() * 1e3;
        let values: Values = vec![
            ("last_ms", millis(last?)),
            ("accepted_ms", millis(accepted?)),
            ("subscriber_kib", each),
            ("cpu_ms", (usage::cpu(&[pid]) - cpu).as_secs_f64() * 1e3),
        ];
        row.add(Ok(values));
    }
    Ok(())
}

async fn through(
    name: &str,
    peers: Option<&Path>,
    (crowd, rate, seconds): (usize, u64, u64),
) -> Result<Values> {
    let server = Server::start(name, peers, crowd).await?;
    let (admin, pid) = (&server.client, server.pid);
    let mut publisher = Publisher::open(admin, Channel::Alerts).await?;
    let each = rate / PUBLICATIONS;
    let (received, _listening) = listen(admin, crowd, crowd as u64 * each).await;
    let body: Value = (0..each).map(alert).collect();
    publisher.publish(&body).await?;
    received.until(each * crowd as u64).await?;
    let (before, cpu) = (usage::resident(&[pid]), usage::cpu(&[pid]));
    let begin = Instant::now();
    let publications = PUBLICATIONS * seconds;
    let mut publishing = JoinSet::new();
    for _ in 0..PUBLISHERS {
        let mut publisher = Publisher::open(admin, Channel::Alerts).await?;
        let body = body.clone();
        publishing.spawn(async move {
            let every = Duration::from_secs(1) / u32::try_from(PUBLICATIONS / PUBLISHERS)?;
            let mut beat = interval(every);
            for _ in 0..publications / PUBLISHERS {
                beat.tick().await;
                publisher.publish(&body).await?;
            }
            anyhow::Ok(())
        });
    }
    let mut most = before;
    let mut look = interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            done = publishing.join_next() => match done {
                Some(done) => done??,
                None => break,
            },
            _ = look.tick() => most = most.max(usage::resident(&[pid])),
        }
    }
    let published = Instant::now();
    let told = received.until((publications + 1) * each * crowd as u64).await?;
    most = most.max(usage::resident(&[pid]));
    let lasted = told.duration_since(begin).as_secs_f64();
    ensure!(lasted > 0.0, "no time has passed");
    let written = published.duration_since(begin).as_secs_f64();
    Ok(vec![
        ("published_s", (publications * each) as f64 / written),
        ("behind_ms", told.saturating_duration_since(published).as_secs_f64() * 1e3),
        ("growth_mib", most.saturating_sub(before) as f64 / f64::from(1 << 20)),
        ("cores", (usage::cpu(&[pid]) - cpu).as_secs_f64() / lasted),
    ])
}
