//! Rows that wait on disk, in files of some rows each. A file is the batch that it is sent as, and its
//! name the key under which the daemon takes it once: so it is never appended to after it was sent or
//! left behind by a process that died. What that one wrote last may be torn, and then doesn't count.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

/// Rows of one file at most.
const ROWS: u64 = 200;

/// Bytes of one file at most, unless a single row is longer.
const FILE: u64 = 64 << 10;

/// A batch to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Its name, which nothing else ever has.
    pub(super) name: String,
    /// Its rows as a JSON array.
    pub(super) body: String,
}

#[derive(Debug)]
struct Segment {
    name: String,
    rows: u64,
    bytes: u64,
}

/// The rows that wait.
#[derive(Debug)]
pub(super) struct Spool {
    directory: PathBuf,
    longest: u64,
    /// Oldest first. The last one may be open.
    segments: VecDeque<Segment>,
    open: Option<File>,
    serial: u64,
    dropped: u64,
}

impl Spool {
    /// The spool in this directory, with what was left in it.
    pub(super) fn open(directory: PathBuf, longest: u64) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let mut segments = Vec::new();
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let (Ok(name), true) = (entry.file_name().into_string(), entry.file_type()?.is_file())
            else {
                continue;
            };
            let text = fs::read(entry.path())?;
            let rows = whole(&text).len() as u64;
            if rows == 0 || serial(&name).is_none() {
                fs::remove_file(entry.path())?;
                continue;
            }
            segments.push(Segment { name, rows, bytes: text.len() as u64 });
        }
        segments.sort_by(|a, b| a.name.cmp(&b.name));
        let last = segments.last().and_then(|segment| serial(&segment.name));
        let serial = last.map_or(0, |last| last.saturating_add(1));
        let segments = segments.into();
        Ok(Self { directory, longest, segments, open: None, serial, dropped: 0 })
    }

    /// Adds a row: it is on disk when this returns.
    pub(super) fn push(&mut self, row: &str) -> io::Result<()> {
        let line = format!("{row}\n");
        let full = self.segments.back().is_some_and(|last| {
            last.rows >= ROWS || last.bytes.saturating_add(line.len() as u64) > FILE
        });
        if full {
            self.open = None;
        }
        if self.open.is_none() {
            self.begin()?;
        }
        let written = self.open.as_mut().map_or(Ok(()), |file| {
            file.write_all(line.as_bytes())?;
            file.sync_data()
        });
        if let Err(error) = written {
            // Part of it may be there: nothing follows it.
            self.open = None;
            if self.segments.back().is_some_and(|last| last.rows == 0) {
                self.forget_last();
            }
            return Err(error);
        }
        if let Some(last) = self.segments.back_mut() {
            last.rows += 1;
            last.bytes += line.len() as u64;
        }
        while self.bytes() > self.longest && self.segments.len() > 1 {
            self.drop_oldest();
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("{:016x}-{:016x}", self.serial, u64::from_be_bytes(random));
        self.serial = self.serial.saturating_add(1);
        let mut options = OpenOptions::new();
        let file = options.append(true).create_new(true).mode(0o600).open(self.path(&name))?;
        self.open = Some(file);
        self.segments.push_back(Segment { name, rows: 0, bytes: 0 });
        Ok(())
    }

    /// The oldest batch. Nothing is added to it from now on.
    pub(super) fn oldest(&mut self) -> Option<Waiting> {
        loop {
            let name = self.segments.front()?.name.clone();
            if self.segments.len() == 1 {
                self.open = None;
            }
            match fs::read(self.path(&name)) {
                Ok(bytes) => {
                    let body = format!("[{}]", whole(&bytes).join(","));
                    return Some(Waiting { name, body });
                }
                Err(error) => {
                    tracing::warn!(%error, "measurements can't be read again");
                    self.drop_oldest();
                }
            }
        }
    }

    /// Forgets a batch; `lost` when nobody has it.
    pub(super) fn remove(&mut self, name: &str, lost: bool) {
        let Some(place) = self.segments.iter().position(|segment| segment.name == name) else {
            return;
        };
        if place + 1 == self.segments.len() {
            self.open = None;
        }
        if let Some(segment) = self.segments.remove(place) {
            self.unlink(&segment.name);
            self.dropped += if lost { segment.rows } else { 0 };
        }
    }

    /// Rows that wait.
    pub(super) fn rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows).sum()
    }

    /// Whether a batch waits that nothing is added to.
    pub(super) fn is_behind(&self) -> bool {
        self.segments.len() > 1 || !self.segments.is_empty() && self.open.is_none()
    }

    /// How many rows were lost since this was asked last.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Counts rows that were lost elsewhere.
    pub(super) fn count_dropped(&mut self, rows: u64) {
        self.dropped = self.dropped.saturating_add(rows);
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    fn drop_oldest(&mut self) {
        if let Some(segment) = self.segments.pop_front() {
            self.unlink(&segment.name);
            self.count_dropped(segment.rows);
            tracing::debug!(
                rows = segment.rows,
                "measurements that waited too long are thrown away"
            );
        }
    }

    fn forget_last(&mut self) {
        if let Some(segment) = self.segments.pop_back() {
            self.unlink(&segment.name);
        }
    }

    fn unlink(&self, name: &str) {
        if let Err(error) = fs::remove_file(self.path(name)) {
            tracing::warn!(%error, "measurements that are done with can't be removed");
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// The number in a file's name.
fn serial(name: &str) -> Option<u64> {
    let (serial, random) = name.split_once('-')?;
    let form = serial.len() == 16 && random.len() == 16;
    form.then(|| u64::from_str_radix(serial, 16).ok()).flatten()
}

/// The rows that were written to their end.
fn whole(bytes: &[u8]) -> Vec<&str> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let lines = bytes.get(..end).unwrap_or_default().split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| std::str::from_utf8(line).ok())
        .filter(|line| !line.is_empty())
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn spool(directory: &tempfile::TempDir, longest: u64) -> Spool {
        Spool::open(directory.path().join("telemetry"), longest).unwrap()
    }

    #[test]
    fn rows_come_back_in_their_order_under_names_that_stay() {
        let directory = tempfile::tempdir().unwrap();
        let mut first = spool(&directory, 1 << 20);
        assert_eq!(first.oldest(), None);
        first.push("1").unwrap();
        first.push("2").unwrap();
        let sent = first.oldest().unwrap();
        assert_eq!(sent.body, "[1,2]");
        // What was sent stays as it was, whoever looks at it.
        first.push("3").unwrap();
        assert_eq!(first.oldest().unwrap(), sent);
        let mut second = spool(&directory, 1 << 20);
        assert_eq!(second.rows(), 3);
        second.push("4").unwrap();
        assert_eq!(second.oldest().unwrap(), sent);
        second.remove(&sent.name, false);
        let next = second.oldest().unwrap();
        assert_eq!(next.body, "[3]");
        second.remove(&next.name, false);
        assert!(!second.is_behind());
        let last = second.oldest().unwrap();
        assert_eq!(last.body, "[4]");
        second.remove(&last.name, true);
        assert_eq!((second.rows(), second.take_dropped(), second.take_dropped()), (0, 1, 0));
        assert_ne!(sent.name, last.name);
    }

    #[test]
    fn a_torn_row_does_not_count_and_nothing_follows_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = spool(&directory, 1 << 20);
        let long = format!("{{\"s\":\"{}\"}}", "x".repeat(40));
        spool.push("1").unwrap();
        spool.push(&long).unwrap();
        let name = spool.oldest().unwrap().name;
        let path = spool.path(&name);
        let bytes = fs::read(&path).unwrap();
        for cut in 0..bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            let mut again = Spool::open(spool.directory.clone(), 1 << 20).unwrap();
            again.push("9").unwrap();
            let first = again.oldest().unwrap();
            assert_eq!(first.body, if cut < 2 { "[9]" } else { "[1]" }, "{cut}");
            while let Some(waiting) = again.oldest() {
                again.remove(&waiting.name, false);
            }
        }
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = spool(&directory, 256 << 10);
        let row = |n: u64| format!("{{\"n\":{n},\"s\":\"{}\"}}", "x".repeat(1000));
        for n in 0..1000 {
            spool.push(&row(n)).unwrap();
        }
        assert!(spool.bytes() <= 256 << 10);
        let dropped = spool.take_dropped();
        assert_eq!(dropped + spool.rows(), 1000);
        let oldest = spool.oldest().unwrap();
        assert!(oldest.body.starts_with(&format!("[{}", row(dropped))), "{dropped}");
        let files = fs::read_dir(&spool.directory).unwrap().count();
        assert_eq!(files, spool.segments.len());
    }

    #[test]
    fn what_is_no_batch_is_not_believed() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("telemetry");
        fs::create_dir(&place).unwrap();
        fs::write(place.join("notes.txt"), "1\n").unwrap();
        fs::write(place.join("0000000000000007-0000000000000001"), "1\n").unwrap();
        let mut spool = spool(&directory, 1 << 20);
        assert_eq!(spool.rows(), 1);
        spool.push("2").unwrap();
        assert_eq!(spool.segments.back().unwrap().name.split('-').next(), Some("0000000000000008"));
    }
}
