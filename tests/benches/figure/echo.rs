//! How long a key takes to come back, from one terminal and from many.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use tokio::time::{interval_at, timeout};

use super::{AGENT, BARE, Bench, DIRECT, OPENSSH, rounds, rows};
use crate::{
    table::{Bound::AtMost, Column, Figure, Values, quantile},
    usage,
    way::{Line, PATIENCE, Program, Way, start},
};

const COLUMNS: &[Column] = &[
    Column { key: "times_ssh", head: "× ssh", digits: 2 },
    Column { key: "p50_us", head: "p50 µs", digits: 0 },
    Column { key: "p99_us", head: "p99 µs", digits: 0 },
    Column { key: "relay_us_per_key", head: "relay CPU µs/key", digits: 0 },
    Column { key: "client_percent", head: "client CPU %", digits: 0 },
];

/// Terminals opened at the same time.
const OPENING: usize = 4;

/// One terminal, 100 keys a second.
pub(crate) async fn one(bench: &Bench) -> Figure {
    let mut figure = Figure {
        id: "echo-1",
        title: "Echo, 1 terminal, 100 keys/s".to_owned(),
        columns: COLUMNS,
        rows: rows(&bench.all()),
        aims: Vec::new(),
    };
    let load = Load { terminals: 1, keys: bench.size(200, 20), per_second: 100 };
    let ways = bench.all();
    // A new terminal each round: some peers hang up on one that rests while others are measured.
    rounds(bench.rounds, &mut figure.rows, async |index| {
        let mut lines = open(&*ways[index], load.terminals).await?;
        round(&*ways[index], &mut lines, load).await
    })
    .await;
    figure.compare(OPENSSH, "p50_us", "times_ssh");
    let direct = figure.ratio(DIRECT, BARE, "p50_us");
    figure.aim("direct, p50, × bare relay", direct, AtMost(1.0));
    figure.stretch("direct, p50, × ssh", figure.median(DIRECT, "times_ssh"), AtMost(1.5));
    agent(&mut figure);
    figure
}

/// Fifty terminals, 10 keys a second in each.
pub(crate) async fn many(bench: &Bench) -> Figure {
    let terminals = bench.size(50, 5);
    let mut figure = Figure {
        id: "echo-50",
        title: format!("Echo, {terminals} terminals, 10 keys/s each"),
        columns: COLUMNS,
        rows: rows(&bench.own),
        aims: Vec::new(),
    };
    let load = Load { terminals, keys: bench.size(25, 5), per_second: 10 };
    let mut lines = Vec::new();
    for (way, row) in bench.own.iter().zip(&mut figure.rows) {
        lines.push(open(&**way, load.terminals).await.unwrap_or_else(|error| {
            row.add(Err(error));
            Vec::new()
        }));
    }
    rounds(bench.rounds, &mut figure.rows, async |index| {
        round(&*bench.own[index], &mut lines[index], load).await
    })
    .await;
    figure.compare(OPENSSH, "p50_us", "times_ssh");
    let direct = figure.ratio(DIRECT, BARE, "p50_us");
    figure.aim("direct, p50, × bare relay", direct, AtMost(1.05));
    figure.stretch("direct, p50, × ssh", figure.median(DIRECT, "times_ssh"), AtMost(1.35));
    agent(&mut figure);
    figure
}

fn agent(figure: &mut Figure) {
    let agent = figure.median(AGENT, "times_ssh");
    figure.aim("agent PTY, p50, × ssh", agent, AtMost(1.5));
    figure.stretch("agent PTY, p50, × ssh", agent, AtMost(1.3));
}

/// How much is typed.
#[derive(Debug, Clone, Copy)]
struct Load {
    terminals: usize,
    /// In each terminal, a round.
    keys: usize,
    /// In each terminal.
    per_second: u32,
}

async fn open(way: &dyn Way, count: usize) -> Result<Vec<Box<dyn Line>>> {
    let opening = stream::iter((0..count).map(|_| start(way, &Program::Echo)));
    opening.buffer_unordered(OPENING).try_collect().await
}

async fn round(way: &dyn Way, lines: &mut [Box<dyn Line>], load: Load) -> Result<Values> {
    let pause = Duration::from_secs(1) / load.per_second;
    let processes = way.processes();
    let (relay, client) = (usage::cpu(&processes), usage::own_cpu());
    let begin = Instant::now();
    let share = pause / u32::try_from(lines.len())?;
    let typing = lines
        .iter_mut()
        .zip(0..)
        .map(|(line, turn)| type_keys(&mut **line, load.keys, pause, share * turn));
    let typing = timeout(pause * u32::try_from(load.keys)? + PATIENCE, try_join_all(typing));
    let taken = typing.await.context("keys that didn't come back")??;
    let client = (usage::own_cpu() - client).as_secs_f64() / begin.elapsed().as_secs_f64();
    let relay = usage::cpu(&processes).saturating_sub(relay);
    let mut values = summary(taken.concat());
    values.push(("client_percent", 100.0 * client));
    if !processes.is_empty() {
        let keys = (load.keys * load.terminals) as f64;
        values.push(("relay_us_per_key", micros(relay) / keys));
    }
    Ok(values)
}

/// Types keys at a steady pace, whether they come back or not, and says how long each took.
pub(crate) async fn type_keys(
    line: &mut dyn Line,
    keys: usize,
    pause: Duration,
    delay: Duration,
) -> Result<Vec<Duration>> {
    let mut ticks = interval_at((Instant::now() + delay).into(), pause);
    let mut typed = VecDeque::new();
    let mut taken = Vec::with_capacity(keys);
    while taken.len() < keys {
        tokio::select! {
            _ = ticks.tick(), if taken.len() + typed.len() < keys => {
                typed.push_back(Instant::now());
                line.send(Bytes::from_static(b"x")).await?;
            }
            output = line.recv() => {
                let now = Instant::now();
                let came = output?.len().min(typed.len());
                taken.extend(typed.drain(..came).map(|typed| now - typed));
            }
        }
    }
    Ok(taken)
}

/// The middle and the slow end.
pub(crate) fn summary(taken: Vec<Duration>) -> Values {
    let mut taken: Vec<f64> = taken.into_iter().map(micros).collect();
    taken.sort_by(f64::total_cmp);
    vec![("p50_us", quantile(&taken, 0.5)), ("p99_us", quantile(&taken, 0.99))]
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
