//! How long a key takes to come back while another terminal's output streams by, and while that
//! output waits for a viewer who stopped reading.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use tokio::time::timeout;

use super::{
    AGENT, BARE, Bench, DIRECT,
    echo::{summary, type_keys},
    rounds, rows,
};
use crate::{
    table::{Bound::AtMost, Column, Figure, Values},
    way::{Line, PATIENCE, Program, Way, start},
};

const COLUMNS: &[Column] = &[
    Column { key: "p99_us", head: "p99 µs", digits: 0 },
    Column { key: "p50_us", head: "p50 µs", digits: 0 },
    Column { key: "stalled_p99_us", head: "p99 µs while stalled", digits: 0 },
];

/// Between two keys.
const PAUSE: Duration = Duration::from_millis(20);

/// More than comes while it is looked at.
const ENDLESS: u64 = 700_000_000;

/// Two terminals of one way; with the agent, both on one link.
pub(crate) async fn run(bench: &Bench) -> Figure {
    let mut figure = Figure {
        id: "beside-bulk",
        title: "Echo, 50 keys/s, beside a terminal that streams, then stalls".to_owned(),
        columns: COLUMNS,
        rows: rows(&bench.own),
        aims: Vec::new(),
    };
    let keys = bench.size((100, 40), (10, 10));
    rounds(bench.rounds, &mut figure.rows, async |index| {
        let program = Program::Stream { file: bench.file.clone(), len: ENDLESS };
        round(&*bench.own[index], &program, keys).await
    })
    .await;
    let direct = figure.ratio(DIRECT, BARE, "p99_us");
    figure.aim("direct, p99, × bare relay", direct, AtMost(1.0));
    figure.aim("agent PTY, p99 µs", figure.median(AGENT, "p99_us"), AtMost(10_000.0));
    figure
}

async fn round(way: &dyn Way, program: &Program, keys: (usize, usize)) -> Result<Values> {
    let mut bulk = start(way, program).await?;
    let mut echo = start(way, &Program::Echo).await?;
    bulk.send(Bytes::from_static(b"g")).await?;
    bulk.recv().await?;
    let mut taken = tokio::select! {
        taken = echoed(&mut *echo, keys.0) => taken?,
        ended = swallow(&mut *bulk) => bail!("the stream ended: {ended:?}"),
    };
    let stalled = echoed(&mut *echo, keys.1).await?;
    taken.extend(&stalled);
    let mut values = summary(taken);
    let stalled = summary(stalled).into_iter().find(|(key, _)| *key == "p99_us");
    values.extend(stalled.map(|(_, value)| ("stalled_p99_us", value)));
    Ok(values)
}

async fn echoed(line: &mut dyn Line, keys: usize) -> Result<Vec<Duration>> {
    let limit = PAUSE * u32::try_from(keys)? + PATIENCE;
    let typing = timeout(limit, type_keys(line, keys, PAUSE, Duration::ZERO));
    typing.await.context("keys that didn't come back")?
}

async fn swallow(line: &mut dyn Line) -> Result<()> {
    loop {
        line.recv().await?;
    }
}
