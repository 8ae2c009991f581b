//! How fast a terminal's output comes.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use tokio::time::timeout;

use super::{AGENT, Bench, DIRECT, OPENSSH, rounds, rows};
use crate::{
    table::{
        Bound::{AtLeast, AtMost},
        Column, Figure, Values,
    },
    usage,
    way::{
        Line, Program, Way,
        pty::{BARE_PTY, BarePty},
        start,
    },
};

const COLUMNS: &[Column] = &[
    Column { key: "times_ssh", head: "× ssh", digits: 2 },
    Column { key: "mb_per_s", head: "MB/s", digits: 1 },
    Column { key: "relay_s_per_gb", head: "relay CPU s/GB", digits: 2 },
    Column { key: "client_percent", head: "client CPU %", digits: 0 },
];

/// For the slowest of them.
const PATIENCE: Duration = Duration::from_secs(60);

/// One terminal, 200 MB; peers, which are slower, get less.
pub(crate) async fn run(bench: &Bench) -> Figure {
    let mut ways = bench.all();
    ways.insert(bench.own.len(), Rc::new(BarePty));
    let (own, peers) = bench.size((200_000_000, 20_000_000), (2_000_000, 200_000));
    let mut figure = Figure {
        id: "bulk",
        title: format!("Bulk output, {} MB", own / 1_000_000),
        columns: COLUMNS,
        rows: rows(&ways),
        aims: Vec::new(),
    };
    rounds(bench.rounds, &mut figure.rows, async |index| {
        let len = if index <= bench.own.len() { own } else { peers };
        round(&*ways[index], Program::Stream { file: bench.file.clone(), len }, len).await
    })
    .await;
    figure.compare(OPENSSH, "mb_per_s", "times_ssh");
    figure.aim("direct, MB/s, × ssh", figure.median(DIRECT, "times_ssh"), AtLeast(0.95));
    let cpu = figure.median(DIRECT, "relay_s_per_gb");
    figure.aim("direct, relay CPU s/GB", cpu, AtMost(6.7));
    figure.aim("agent PTY, MB/s, × ssh", figure.median(AGENT, "times_ssh"), AtLeast(1.2));
    let limit = figure.ratio(AGENT, BARE_PTY, "mb_per_s");
    figure.stretch("agent PTY, MB/s, × bare PTY", limit, AtLeast(0.9));
    figure
}

async fn round(way: &dyn Way, program: Program, len: u64) -> Result<Values> {
    let mut line = start(way, &program).await?;
    let processes = way.processes();
    let (relay, client) = (usage::cpu(&processes), usage::own_cpu());
    let begin = Instant::now();
    line.send(Bytes::from_static(b"g")).await?;
    timeout(PATIENCE, read(&mut *line, len)).await.context("output that didn't come")??;
    let seconds = begin.elapsed().as_secs_f64();
    let client = (usage::own_cpu() - client).as_secs_f64();
    let relay = usage::cpu(&processes).saturating_sub(relay).as_secs_f64();
    let mut values = vec![
        ("mb_per_s", len as f64 / 1e6 / seconds),
        ("client_percent", 100.0 * client / seconds),
    ];
    if !processes.is_empty() {
        values.push(("relay_s_per_gb", relay / (len as f64 / 1e9)));
    }
    Ok(values)
}

/// Reads so many bytes.
pub(crate) async fn read(line: &mut dyn Line, len: u64) -> Result<()> {
    let mut left = len;
    while left > 0 {
        left = left.saturating_sub(line.recv().await?.len() as u64);
    }
    Ok(())
}
