//! What a relay keeps of the output of a terminal whose viewer stopped reading, and whether all of it
//! comes afterwards.

use std::{fs::File, io::Read as _, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep, timeout};

use super::{AGENT, Bench, DIRECT, OPENSSH, rows};
use crate::{
    table::{
        Bound::{AtLeast, AtMost},
        Column, Figure,
    },
    usage,
    way::{Line, Program, Way, start},
};

const COLUMNS: &[Column] = &[
    Column { key: "growth_mib", head: "RSS growth MiB", digits: 1 },
    Column { key: "arrived_mb", head: "MB arrived after", digits: 0 },
];

/// Between two looks at the memory.
const LOOK: Duration = Duration::from_millis(100);

/// Until everything has come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal and what has come of its output.
struct Viewer {
    line: Box<dyn Line>,
    hash: Sha256,
    seen: u64,
}

/// All ways at once: the viewers read a little, then stop. Those of Gangplank read on afterwards.
pub(crate) async fn run(bench: &Bench) -> Figure {
    let ways = bench.all();
    let ways: Vec<_> = ways.iter().filter(|way| way.name() != OPENSSH).cloned().collect();
    let (len, first) = bench.size((700_000_000, 10_000_000), (20_000_000, 1_000_000));
    let pause = bench.size(Duration::from_secs(10), Duration::from_secs(1));
    let mut figure = Figure {
        id: "stall",
        title: format!("A viewer stops for {} s, {} MB wait", pause.as_secs(), len / 1_000_000),
        columns: COLUMNS,
        rows: rows(&ways),
        aims: Vec::new(),
    };
    let program = Program::Stream { file: bench.file.clone(), len };
    let mut viewers = Vec::new();
    for (way, row) in ways.iter().zip(&mut figure.rows) {
        match Viewer::open(&**way, &program, first).await {
            Ok(viewer) => viewers.push((&**way, row, viewer)),
            Err(error) => row.add(Err(error)),
        }
    }
    let resident = |way: &dyn Way| usage::resident(&way.processes());
    let before: Vec<u64> = viewers.iter().map(|(way, ..)| resident(*way)).collect();
    let mut most = before.clone();
    let end = Instant::now() + pause;
    while Instant::now() < end {
        sleep(LOOK).await;
        for ((way, ..), most) in viewers.iter().zip(&mut most) {
            *most = (*most).max(resident(*way));
        }
    }
    for ((_, row, _), (most, before)) in viewers.iter_mut().zip(most.into_iter().zip(before)) {
        row.add(Ok(vec![("growth_mib", (most - before) as f64 / f64::from(1 << 20))]));
    }
    // The others go first, so that they don't stand in the way.
    viewers.retain(|(way, ..)| [DIRECT, AGENT].contains(&way.name()));
    for (_, row, mut viewer) in viewers {
        row.add(
            viewer.rest(&bench.file, len).await.map(|()| vec![("arrived_mb", len as f64 / 1e6)]),
        );
    }
    for way in [DIRECT, AGENT] {
        let growth = figure.median(way, "growth_mib");
        figure.aim(format!("{way}: RSS growth MiB"), growth, AtMost(2.0));
        let arrived = figure.median(way, "arrived_mb");
        figure.aim(format!("{way}: MB arrived unchanged"), arrived, AtLeast(len as f64 / 1e6));
    }
    figure
}

impl Viewer {
    /// Opens a terminal, starts the stream and reads its beginning.
    async fn open(way: &dyn Way, program: &Program, first: u64) -> Result<Self> {
        let mut line = start(way, program).await?;
        line.send(Bytes::from_static(b"g")).await?;
        let mut viewer = Self { line, hash: Sha256::new(), seen: 0 };
        timeout(PATIENCE, viewer.read(first)).await.context("output that didn't come")??;
        Ok(viewer)
    }

    async fn read(&mut self, until: u64) -> Result<()> {
        while self.seen < until {
            let output = self.line.recv().await?;
            self.seen += output.len() as u64;
            self.hash.update(&output);
        }
        Ok(())
    }

    /// Reads what waited, which must be what the file says.
    async fn rest(&mut self, file: &Path, len: u64) -> Result<()> {
        timeout(PATIENCE, self.read(len)).await.context("output that didn't come")??;
        ensure!(self.seen == len, "{} bytes of {len} came", self.seen);
        let came = std::mem::take(&mut self.hash).finalize();
        ensure!(came == beginning(file, len)?, "other bytes came than were said");
        Ok(())
    }
}

/// SHA-256 of a file's first bytes.
pub(crate) fn beginning(file: &Path, len: u64) -> Result<sha2::digest::Output<Sha256>> {
    let mut file = File::open(file)?.take(len);
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hash.finalize()),
            read => hash.update(&chunk[..read]),
        }
    }
}
