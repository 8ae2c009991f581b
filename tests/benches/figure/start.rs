//! How long the daemon takes from exec until it accepts, and how big it is.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use gangplank_tests::{
    daemon::Daemon,
    process::{self, Process},
    program, scratch, sshd,
};

use super::Bench;
use crate::{
    table::{Bound::AtMost, Column, Figure, Row, Values},
    usage,
};

const COLUMNS: &[Column] = &[
    Column { key: "start_ms", head: "exec to accepting ms", digits: 1 },
    Column { key: "resident_mib", head: "RSS then MiB", digits: 1 },
    Column { key: "program_mb", head: "stripped program MB", digits: 1 },
];

/// For one start.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks whether it accepts.
const LOOK: Duration = Duration::from_micros(200);

/// Starts of a daemon whose data is there.
pub(crate) fn run(bench: &Bench) -> Figure {
    let name = "gangplankd";
    let mut row = Row::new(name);
    let daemon = Daemon::start();
    let directory = daemon.directory().to_owned();
    drop(daemon);
    for _ in 0..bench.size(3, 1) * bench.rounds {
        row.add(once(&directory));
    }
    row.add(size());
    let title = "Start of the daemon, with existing data".to_owned();
    let mut figure =
        Figure { id: "start", title, columns: COLUMNS, rows: vec![row], aims: Vec::new() };
    figure.aim("exec to accepting ms", figure.median(name, "start_ms"), AtMost(20.0));
    figure.aim("stripped program MB", figure.median(name, "program_mb"), AtMost(20.0));
    figure
}

fn once(directory: &Path) -> Result<Values> {
    let address = format!("127.0.0.1:{}", sshd::free_port());
    let mut command = Command::new(program::gangplankd());
    command.args(["up", "--json", "--listen", &address, "--data-dir"]).arg(directory);
    let begin = Instant::now();
    let process = Process::start("gangplankd", &command);
    while TcpStream::connect(&address).is_err() {
        ensure!(begin.elapsed() < PATIENCE, "it doesn't start: {}", process.log());
        sleep(LOOK);
    }
    let taken = begin.elapsed().as_secs_f64() * 1e3;
    process.line(PATIENCE, "that it is ready", |line| line.contains("\"ready\""));
    let resident = usage::resident(&[process.pid()]) as f64 / f64::from(1 << 20);
    Ok(vec![("start_ms", taken), ("resident_mib", resident)])
}

fn size() -> Result<Values> {
    let stripped = scratch::directory().join("gangplankd");
    let mut strip = Command::new(program::installed("strip"));
    process::succeed(strip.arg("-o").arg(&stripped).arg(program::gangplankd()));
    Ok(vec![("program_mb", fs::metadata(stripped)?.len() as f64 / 1e6)])
}
