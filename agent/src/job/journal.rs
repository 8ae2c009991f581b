//! The journal: one small file for each job, replaced as a whole at each step and on disk before the
//! step is told to anybody.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use gangplank_proto::fact::{FactText, HeldJob};
use gangplank_proto::id::JobId;
use gangplank_proto::job::{Done, JobState, Outcome, Run};
use serde::{Deserialize, Serialize};

/// No record is as long, in bytes.
const LONGEST: u64 = 64 << 10;

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Which job.
    pub job_id: JobId,
    /// Which attempt.
    pub attempt: u32,
    /// What is to be done; absent for one that was called off before it came.
    pub run: Option<Run>,
    /// Milliseconds since 1970 until which it must be started.
    pub deadline: Option<u64>,
    /// Whether it was started.
    pub started: bool,
    /// How it ended.
    pub done: Option<Done>,
}

impl Record {
    /// As the daemon is told.
    #[must_use]
    pub fn held(&self) -> HeldJob {
        let state = match &self.done {
            Some(done) => done.status.into(),
            None if self.started => JobState::Running,
            None => JobState::Received,
        };
        HeldJob { job_id: self.job_id, attempt: self.attempt, state }
    }
}

/// What became of a job that was running when its process ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// Nobody knows how far it got.
    Unknown,
    /// It ended, and this is how.
    Done(Done),
    /// It is not over: whoever knows settles it later.
    Open,
}

/// The directory with the records. It is made with the first of them.
#[derive(Debug, Clone)]
pub struct Journal {
    directory: PathBuf,
}

impl Journal {
    /// The journal in this directory.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Everything that it holds. `fate` says what became of what was running when its process ended.
    ///
    /// # Errors
    /// When the directory can't be read, or such an end not be written down.
    pub fn load(&self, fate: impl Fn(&Record) -> Fate) -> io::Result<Vec<Record>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut records = Vec::new();
        for entry in entries {
            let path = entry?.path();
            // A draft was never told to anybody; what can't be read was torn by a failing disk, and
            // the daemon learns that it is not here.
            match read(&path) {
                Some(record) if path == self.path(record.job_id) => records.push(record),
                _ => {
                    tracing::warn!(path = %path.display(), "removing what is no record of a job");
                    fs::remove_file(&path)?;
                }
            }
        }
        for record in records.iter_mut().filter(|record| record.started && record.done.is_none()) {
            let why = "the agent died while it ran";
            record.done = match fate(record) {
                Fate::Unknown => Some(Done::new(Outcome::Unknown, Some(why))),
                Fate::Done(done) => Some(done),
                Fate::Open => continue,
            };
            self.put(record)?;
        }
        records.sort_by_key(|record| record.job_id);
        Ok(records)
    }

    /// Writes a record; it is on disk, whole, when this returns.
    ///
    /// # Errors
    /// When it can't be written; then the record before it stands.
    pub fn put(&self, record: &Record) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let path = self.path(record.job_id);
        let draft = path.with_extension("new");
        let bytes = serde_json::to_vec(record)?;
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(&self.directory)?.sync_all()
    }

    /// Forgets a job. One that comes back after a power cut is settled again.
    ///
    /// # Errors
    /// When its file can't be removed.
    pub fn remove(&self, job: JobId) -> io::Result<()> {
        match fs::remove_file(self.path(job)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Where it is, for people.
    #[must_use]
    pub fn shown(&self) -> FactText {
        self.directory.display().to_string().into()
    }

    fn path(&self, job: JobId) -> PathBuf {
        self.directory.join(format!("{job}.json"))
    }
}

fn read(path: &Path) -> Option<Record> {
    let metadata = fs::symlink_metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn record() -> Record {
        let run = Run {
            command: "report_now".into(),
            params: serde_json::Value::Null,
            deadline_in_ms: None,
            idempotent: true,
        };
        let job_id = JobId::new();
        Record { job_id, attempt: 1, run: Some(run), deadline: None, started: false, done: None }
    }

    #[test]
    fn what_was_put_is_loaded_and_what_ran_is_unknown() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::new(directory.path().join("jobs"));
        assert!(journal.load(|_| Fate::Unknown).unwrap().is_empty());
        let waiting = record();
        let running = Record { started: true, ..record() };
        journal.put(&waiting).unwrap();
        journal.put(&running).unwrap();
        for _ in 0..2 {
            let loaded = journal.load(|_| Fate::Unknown).unwrap();
            assert_eq!(loaded[0], waiting);
            assert_eq!(loaded[1].done.as_ref().unwrap().status, Outcome::Unknown);
        }
        journal.remove(waiting.job_id).unwrap();
        journal.remove(waiting.job_id).unwrap();
        assert_eq!(journal.load(|_| Fate::Unknown).unwrap().len(), 1);
    }

    #[test]
    fn who_knows_what_became_of_a_job_says_it() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::new(directory.path().to_owned());
        let running = Record { started: true, ..record() };
        journal.put(&running).unwrap();
        assert_eq!(journal.load(|_| Fate::Open).unwrap(), std::slice::from_ref(&running));
        let done = Done::new(Outcome::Succeeded, None);
        let told = |record: &Record| {
            assert_eq!(record, &running);
            Fate::Done(done.clone())
        };
        assert_eq!(journal.load(told).unwrap()[0].done, Some(done.clone()));
        // What is over stays as it was.
        assert_eq!(journal.load(|_| Fate::Unknown).unwrap()[0].done, Some(done.clone()));
    }

    #[test]
    fn drafts_and_torn_records_are_not_believed() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::new(directory.path().to_owned());
        let whole = record();
        journal.put(&whole).unwrap();
        let path = journal.path(whole.job_id);
        let bytes = fs::read(&path).unwrap();
        for cut in 0..bytes.len() {
            let torn = record();
            fs::write(journal.path(torn.job_id), &bytes[..cut]).unwrap();
            fs::write(path.with_extension("new"), &bytes[..cut]).unwrap();
            assert_eq!(journal.load(|_| Fate::Unknown).unwrap(), std::slice::from_ref(&whole));
        }
        // A record under another's name is nobody's.
        fs::rename(&path, journal.path(JobId::new())).unwrap();
        assert!(journal.load(|_| Fate::Unknown).unwrap().is_empty());
    }
}
