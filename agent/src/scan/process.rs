//! Runs a scanner, with limits of memory, processor and time, and takes what it says line by line.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, prlimit, setpriority_process};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::Child;
use tokio_util::sync::CancellationToken;

pub(super) use crate::process::End;
use crate::process::{Farewell, Patience, command, follow};

/// Bytes of a line that are looked at.
const LINE: usize = 4096;

/// What is kept of a scanner's complaints, in bytes.
const COMPLAINTS: usize = 2048;

/// What a scan may take of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Address space of each process, in bytes.
    pub memory: u64,
    /// Processor time of each process.
    pub cpu: Duration,
    /// Time until it is ended.
    pub wall: Duration,
    /// How far it stands back behind everything else, up to 19.
    pub nice: i32,
    /// What it has to end by itself once it was told to.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 4 << 30,
            cpu: Duration::from_secs(30 * 60),
            wall: Duration::from_secs(60 * 60),
            nice: 19,
            grace: Duration::from_secs(5),
        }
    }
}

/// How a scanner ended, and the last that it complained about.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) complaints: String,
}

/// Runs a program until it ends or is made to; every line that it prints goes to `line`.
pub(super) async fn run(
    program: &Path,
    arguments: &[OsString],
    directory: &Path,
    limits: &Limits,
    cancel: &CancellationToken,
    mut line: impl FnMut(&str),
) -> io::Result<Ended> {
    let mut child = start(program, arguments, directory)?;
    limit(&child, limits);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut complaints = Vec::new();
    let reading = async {
        tokio::join!(lines(stdout, &mut line), last_words(stderr, &mut complaints));
    };
    let patience = Patience {
        wall: limits.wall,
        farewell: Farewell::Terminate,
        grace: limits.grace,
        rest: limits.grace,
    };
    let end = follow(child, reading, &patience, cancel).await?;
    let complaints = String::from_utf8_lossy(&complaints).trim().to_owned();
    Ok(Ended { end, complaints })
}

fn start(program: &Path, arguments: &[OsString], directory: &Path) -> io::Result<Child> {
    command(program)
        .args(arguments)
        // Each of a scanner's threads would take address space of its own otherwise.
        .env("MALLOC_ARENA_MAX", "2")
        .env("TMPDIR", directory)
        .current_dir(directory)
        .spawn()
}

/// Sets the limits of a process that has just begun, before it has any of its own children: they
/// inherit them. What can't be set is no reason not to look; the wall clock still counts.
fn limit(child: &Child, limits: &Limits) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) else { return };
    let both = |value| Rlimit { current: Some(value), maximum: Some(value) };
    let set = [
        prlimit(Some(pid), Resource::As, both(limits.memory)).map(drop),
        prlimit(Some(pid), Resource::Cpu, both(limits.cpu.as_secs())).map(drop),
        prlimit(Some(pid), Resource::Core, both(0)).map(drop),
        setpriority_process(Some(pid), limits.nice),
    ];
    for error in set.into_iter().filter_map(Result::err) {
        tracing::warn!(%error, "a limit of the scanner can't be set");
    }
}

/// Passes on lines, without their ends; what is longer than [`LINE`] is cut.
async fn lines(source: Option<impl AsyncRead + Unpin>, line: &mut impl FnMut(&str)) {
    let Some(source) = source else { return };
    let mut reader = BufReader::new(source);
    let mut text = Vec::new();
    while let Ok(piece) = reader.fill_buf().await {
        if piece.is_empty() {
            break;
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        let part = piece.get(..end.unwrap_or(piece.len())).unwrap_or_default();
        let room = LINE.saturating_sub(text.len()).min(part.len());
        text.extend_from_slice(part.get(..room).unwrap_or_default());
        let used = end.map_or(piece.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            line(&String::from_utf8_lossy(&text));
            text.clear();
        }
    }
    if !text.is_empty() {
        line(&String::from_utf8_lossy(&text));
    }
}

/// Keeps the end of what is said.
async fn last_words(source: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut source) = source else { return };
    let mut buffer = [0; 1024];
    while let Ok(len @ 1..) = source.read(&mut buffer).await {
        kept.extend_from_slice(buffer.get(..len).unwrap_or_default());
        kept.drain(..kept.len().saturating_sub(COMPLAINTS));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    async fn shell(
        script: &str,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> (Ended, Vec<String>) {
        let mut seen = Vec::new();
        let arguments = ["-c".into(), script.into()];
        let stop = cancel.clone();
        let line = |line: &str| {
            seen.push(line.to_owned());
            if line == "stop" {
                stop.cancel();
            }
        };
        let ended = run(Path::new("/bin/sh"), &arguments, Path::new("/"), limits, cancel, line);
        let ended = ended.await.unwrap();
        (ended, seen)
    }

    #[tokio::test]
    async fn lines_exit_codes_and_complaints_are_told() {
        let script = "echo one; printf 'two'; echo odd >&2; exit 2";
        let (ended, seen) = shell(script, &Limits::default(), &CancellationToken::new()).await;
        assert!(matches!(ended.end, End::Exited(2)));
        assert_eq!(ended.complaints, "odd");
        assert_eq!(seen, ["one", "two"]);
    }

    #[tokio::test]
    async fn limits_reach_what_it_starts() {
        let limits = Limits { memory: 1 << 30, cpu: Duration::from_secs(7), ..Limits::default() };
        let script =
            "until [ $(nice) = 19 ]; do :; done; sh -c 'ulimit -v; ulimit -t; ulimit -c; nice'";
        let (_, seen) = shell(script, &limits, &CancellationToken::new()).await;
        assert_eq!(seen, ["1048576", "7", "0", "19"]);
    }

    #[tokio::test]
    async fn a_cancel_ends_the_whole_group_even_one_that_does_not_listen() {
        let limits = Limits { grace: Duration::from_millis(200), ..Limits::default() };
        let script =
            "trap '' TERM; sh -c 'trap \"\" TERM; echo $$; echo stop; while :; do sleep 1; done'";
        let (ended, seen) = shell(script, &limits, &CancellationToken::new()).await;
        assert!(matches!(ended.end, End::Cancelled));
        let inner: i32 = seen[0].parse().unwrap();
        // Killed, though whoever inherits it may not have taken notice.
        let stat = std::fs::read_to_string(format!("/proc/{inner}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z ") || stat.contains(") X "), "{stat}");
    }

    #[tokio::test]
    async fn time_runs_out() {
        let limits = Limits { wall: Duration::from_millis(50), ..Limits::default() };
        let (ended, seen) = shell("echo a; sleep 60", &limits, &CancellationToken::new()).await;
        assert!(matches!(ended.end, End::TooLong));
        assert_eq!(seen, ["a"]);
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let script = "head -c 100000 /dev/zero | tr '\\0' x; echo; echo next";
        let (_, seen) = shell(script, &Limits::default(), &CancellationToken::new()).await;
        assert_eq!(seen.iter().map(String::len).collect::<Vec<_>>(), [LINE, 4]);
    }
}
