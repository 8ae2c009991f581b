//! Commands to a whole fleet: how soon everybody who is here has one, and what many cost that wait
//! for hosts that are away.

use anyhow::Result;
use gangplank_tests::{daemon::Daemon, http::Client};
use nix::unistd::Pid;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    crowd::Crowd,
    table::{Bound::AtMost, Column, Figure, Row, Values},
    usage,
};

/// Agents of the fleet, and commands that wait for each.
const FLEET: (usize, usize) = (2_000, 5);

/// The same for a look whether it works.
const FEW: (usize, usize) = (50, 5);

const NAME: &str = "Gangplank";

const FAN_OUT: &[Column] = &[
    Column { key: "accepted_ms", head: "order accepted ms", digits: 0 },
    Column { key: "last_ms", head: "last receipt ms", digits: 0 },
    Column { key: "settled_ms", head: "all settled ms", digits: 0 },
    Column { key: "cpu_ms", head: "daemon CPU ms", digits: 0 },
];

const DRAIN: &[Column] = &[
    Column { key: "drain_s", head: "all settled s", digits: 2 },
    Column { key: "connect_s", head: "of it connecting s", digits: 2 },
    Column { key: "queued_mib", head: "RSS growth queued MiB", digits: 1 },
    Column { key: "drained_mib", head: "RSS growth drained MiB", digits: 1 },
];

/// Both figures.
pub(crate) async fn run(rounds: usize, quick: bool) -> Result<Vec<Figure>> {
    let (agents, each) = if quick { FEW } else { FLEET };
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let mut crowd = Crowd::new(&daemon, &admin, agents).await?;
    let pid = Pid::from_raw(daemon.pid());
    crowd.connect().await;
    let mut sent = Row::new(NAME);
    for _ in 0..rounds {
        sent.add(fan_out(&admin, &crowd, pid).await);
    }
    crowd.leave().await;
    let mut drained = Row::new(NAME);
    drained.add(drain(&admin, &mut crowd, pid, each).await);
    let title = format!("One command to {agents} connected agents");
    let mut first =
        Figure { id: "jobs-fan-out", title, columns: FAN_OUT, rows: vec![sent], aims: Vec::new() };
    first.aim("last receipt ms", first.median(NAME, "last_ms"), AtMost(1_000.0));
    let title = format!("{} commands for {agents} agents that are away", agents * each);
    let mut second =
        Figure { id: "jobs-drain", title, columns: DRAIN, rows: vec![drained], aims: Vec::new() };
    second.aim("RSS growth queued MiB", second.median(NAME, "queued_mib"), AtMost(16.0));
    second.aim("all settled s", second.median(NAME, "drain_s"), AtMost(30.0));
    Ok(vec![first, second])
}

async fn order(admin: &Client) {
    let body = json!({ "command": "report_now", "labels": ["crowd"], "rings": false });
    admin.post("/api/v1/commands", body).await.expect(202);
}

fn millis(begin: Instant, end: Instant) -> f64 {
    end.duration_since(begin).as_secs_f64() * 1e3
}

async fn fan_out(admin: &Client, crowd: &Crowd, daemon: Pid) -> Result<Values> {
    crowd.forget();
    let cpu = usage::cpu(&[daemon]);
    let begin = Instant::now();
    order(admin).await;
    let accepted = Instant::now();
    let last = crowd.received(crowd.len()).await?;
    let settled = crowd.settled(crowd.len()).await?;
    let cpu = usage::cpu(&[daemon]) - cpu;
    Ok(vec![
        ("accepted_ms", millis(begin, accepted)),
        ("last_ms", millis(begin, last)),
        ("settled_ms", millis(begin, settled)),
        ("cpu_ms", cpu.as_secs_f64() * 1e3),
    ])
}

async fn drain(admin: &Client, crowd: &mut Crowd, daemon: Pid, each: usize) -> Result<Values> {
    crowd.forget();
    let resident = || usage::resident(&[daemon]) as f64 / f64::from(1 << 20);
    let before = resident();
    for _ in 0..each {
        order(admin).await;
    }
    let queued = resident() - before;
    let begin = Instant::now();
    crowd.connect().await;
    let connected = Instant::now();
    let settled = crowd.settled(crowd.len() * each).await?;
    let drained = resident() - before;
    Ok(vec![
        ("drain_s", millis(begin, settled) / 1e3),
        ("connect_s", millis(begin, connected) / 1e3),
        ("queued_mib", queued.max(0.0)),
        ("drained_mib", drained.max(0.0)),
    ])
}
