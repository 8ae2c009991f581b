//! The work of an update, from an order to the restart, and what became of it afterwards.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::job::{Command, Done, Outcome, Progress};
use gangplank_proto::release::Version;
use gangplank_terminal::keeper::Keeper;
use serde_json::json;
use time::OffsetDateTime;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::check::{Refusal, Release, Wanted};
use super::download::download;
use super::fetch::FetchError;
use super::handover::Handover;
use super::incoming::Incoming;
use super::key::Keys;
use super::place::Place;
use super::source::{Source, SourceError};
use super::state::{Ended, How, Ordered, Phase, State, Trial as Trying};
use super::trial::Trial;
use super::version::Program;
use crate::config::{Config, Server};
use crate::dial::Dialer;
use crate::job::{Fate, Record};

/// A download has no more time than this; what came is gone on with by the next order.
const DOWNLOAD: Duration = Duration::from_secs(3600);

/// An update waits so long for people to close the terminals that it would end.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Between two looks at the terminals.
const LOOK: Duration = Duration::from_millis(500);

/// What is ordered.
#[derive(Debug, Clone)]
pub struct Order {
    /// Which version; the newest that there is when absent.
    pub version: Option<Version>,
    /// Where from; the daemon when absent.
    pub url: Option<String>,
    /// Whether terminals are ended that can't outlive this program.
    pub force: bool,
    /// The job that orders it.
    pub job: Ordered,
}

/// How the work of an order ends.
#[derive(Debug)]
pub enum End {
    /// Here and now.
    Done(Done),
    /// In another process: what this one was asked for is settled by the state that it finds.
    Later,
}

/// Why there is no update.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the program: {0}")]
    Fetch(#[from] FetchError),
    #[error(
        "{place}: {source}: it must be a directory that belongs to the agent's user",
        place = .place.display()
    )]
    Place { place: PathBuf, source: std::io::Error },
    #[error("there are no releases for the system that this program was built for")]
    NoTarget,
    #[error("the new program is not taken: {0}")]
    Probe(String),
    #[error("{0} terminals that it would end are still open; order it with force to end them")]
    Terminals(usize),
    #[error("the download took more than {DOWNLOAD:?}; the next order goes on with it")]
    TooSlow,
    #[error("a step of the update broke: {0}")]
    Broke(#[from] JoinError),
}

/// What this agent can do to its own program.
#[derive(Debug, Clone)]
pub struct Updates(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    config: PathBuf,
    server: Server,
    dialer: Dialer,
    keeper: Keeper,
    running: Version,
    trial: Option<Trial>,
    restart: CancellationToken,
    left: Option<Arc<Handover>>,
    busy: tokio::sync::Mutex<()>,
}

impl Updates {
    /// For the agent with this configuration, which runs as `running`, perhaps on trial, and was
    /// `left` terminals by the program before.
    #[must_use]
    pub fn new(
        config: &Config,
        dialer: Dialer,
        keeper: Keeper,
        running: Version,
        trial: Option<Trial>,
        left: Option<Arc<Handover>>,
    ) -> Self {
        Self(Arc::new(Inner {
            place: Place::beside(&config.path),
            config: config.path.clone(),
            server: config.server.clone(),
            dialer,
            keeper,
            running,
            trial,
            restart: CancellationToken::new(),
            left,
            busy: tokio::sync::Mutex::default(),
        }))
    }

    /// The version that runs.
    #[must_use]
    pub fn running(&self) -> Version {
        self.0.running
    }

    /// Cancelled when this process is to end and to begin again from the installed program.
    #[must_use]
    pub fn restart(&self) -> &CancellationToken {
        &self.0.restart
    }

    /// Goes on with the terminals of the program before. A version on trial leaves them alone until it
    /// is connected, for whoever comes back in its place.
    pub fn begin(&self) {
        if self.0.trial.is_none() {
            self.take_terminals();
        }
    }

    fn take_terminals(&self) {
        let left = self.0.left.as_ref().map(|left| left.take()).unwrap_or_default();
        if !left.is_empty() {
            tracing::info!(terminals = left.len(), "going on with the terminals of before");
        }
        for terminal in left {
            self.0.keeper.thaw(terminal);
        }
    }

    /// The daemon took this host's credentials: a version on trial has proved itself. Answers the job
    /// that this settles.
    pub async fn connected(&self) -> Option<(Ordered, Done)> {
        let (place, running, trial) = (self.0.place.clone(), self.0.running, self.0.trial.clone());
        let confirmed = spawn_blocking(move || {
            // Where updates were never allowed nothing is written.
            if place.exists() {
                place.raise_floor(running)?;
            }
            trial.map_or(Ok(None), |trial| trial.confirm())
        });
        let confirmed = confirmed.await;
        match confirmed.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(ended) => {
                let ended = ended?;
                self.take_terminals();
                tracing::info!(version = %ended.version, "the new version stays");
                Some((ended.job?, done(&ended)))
            }
            Err(error) => {
                tracing::error!(%error, "that this version works can't be written down");
                None
            }
        }
    }

    /// What became of a job that was running when its process ended.
    #[must_use]
    pub fn fate(&self, record: &Record) -> Fate {
        let is_update = |run: &gangplank_proto::job::Run| {
            run.command.as_str().parse() == Ok(Command::UpdateAgent)
        };
        if !record.run.as_ref().is_some_and(is_update) {
            return Fate::Unknown;
        }
        let own = Ordered { job_id: record.job_id, attempt: record.attempt };
        let Ok(State { trial, last, .. }) = self.0.place.state() else { return Fate::Unknown };
        if trial.is_some_and(|trial| trial.job == Some(own) && trial.phase == Phase::Trying) {
            return Fate::Open;
        }
        match last.filter(|last| last.job == Some(own)) {
            Some(ended) => Fate::Done(done(&ended)),
            None => Fate::Done(abandoned()),
        }
    }

    /// Carries out an order. Ends early when `cancel` is, up to the moment from which the new version
    /// is to run.
    pub async fn carry_out(
        &self,
        order: &Order,
        keys: &Keys,
        cancel: &CancellationToken,
        say: &(dyn Fn(Progress) + Sync),
    ) -> End {
        let Ok(_busy) = self.0.busy.try_lock() else {
            return End::Done(failed("another update is under way"));
        };
        let prepared = tokio::select! {
            prepared = self.prepare(order, keys, say) => prepared,
            () = cancel.cancelled() => {
                self.note(|state| state.trial = None).await;
                let why = Some("called off while it ran");
                return End::Done(Done::new(Outcome::Cancelled, why));
            }
        };
        match prepared {
            Ok(None) => {
                let result = json!({ "outcome": "current", "version": self.0.running });
                return End::Done(Done::new(Outcome::Succeeded, None).with_result(result));
            }
            Ok(Some(mut trying)) => {
                trying.phase = Phase::Trying;
                if let Some(error) = self.note(|state| state.trial = Some(trying)).await {
                    return End::Done(failed(&format!("the update can't be begun: {error}")));
                }
            }
            Err(error) => {
                self.note(|state| state.trial = None).await;
                return End::Done(failed(&error.to_string()));
            }
        }
        say(progress(None, "restarting", "the new program takes over"));
        self.0.restart.cancel();
        // The agent stops now, and all that runs in it.
        cancel.cancelled().await;
        End::Later
    }

    /// Everything up to the swap. None when that version runs already.
    async fn prepare(
        &self,
        order: &Order,
        keys: &Keys,
        say: &(dyn Fn(Progress) + Sync),
    ) -> Result<Option<Trying>, Failed> {
        let (running, target) = (self.0.running, super::target().ok_or(Failed::NoTarget)?);
        let place = self.0.place.clone();
        let floor = blocking(&place, move |place| {
            place.prepare()?;
            place.raise_floor(running)?;
            place.floor()
        })
        .await?;
        let source = match &order.url {
            Some(url) => Source::url(url, &self.0.server)?,
            None => Source::daemon(self.0.dialer.clone(), target, order.version),
        };
        say(progress(None, "fetching", "the manifest"));
        let release = source.release(keys).await?;
        let now = OffsetDateTime::now_utc();
        release.admit(&Wanted { version: order.version, target, running, floor, now })?;
        let version = release.manifest().version;
        if version == running {
            return Ok(None);
        }
        self.stage(&source, &release, say).await?;
        let trying = Trying {
            version,
            from: running,
            job: Some(order.job),
            phase: Phase::Staged,
            starts: 0,
            since: None,
        };
        let staged = trying.clone();
        blocking(&place, move |place| {
            let mut state = place.state()?;
            state.trial = Some(staged);
            place.save(&state)
        })
        .await?;
        say(progress(None, "trying", "whether the new program starts and reaches the server"));
        let keys = keys.clone();
        let opened = spawn_blocking(move || Program::open(&place, version, &keys)).await??;
        opened.probe(&self.0.config, Path::new("gangplank-agent")).await.map_err(Failed::Probe)?;
        if !order.force {
            self.wait_for_people(say).await?;
        }
        Ok(Some(trying))
    }

    /// Fetches the program, checks it and puts it into its place.
    async fn stage(
        &self,
        source: &Source,
        release: &Release,
        say: &(dyn Fn(Progress) + Sync),
    ) -> Result<(), Failed> {
        let place = self.0.place.clone();
        let wanted = release.clone();
        let incoming = blocking(&place, move |place| Incoming::open(place, &wanted)).await?;
        let fetched = tokio::time::timeout(DOWNLOAD, download(source, incoming, say)).await;
        let incoming = fetched.map_err(|_| Failed::TooSlow)??;
        say(progress(None, "checking", "whether the program is the one that was signed"));
        let release = release.clone();
        spawn_blocking(move || match incoming.check(&release) {
            Ok(()) => Ok(incoming.put(&place, &release)?),
            Err(refused) => {
                // What is wrong once stays wrong; the next order begins anew.
                incoming.discard()?;
                Err(refused)
            }
        })
        .await??;
        Ok(())
    }

    /// Waits until no terminal is open that ends with this program: an update costs whoever sits at
    /// one their work.
    async fn wait_for_people(&self, say: &(dyn Fn(Progress) + Sync)) -> Result<(), Failed> {
        let until = Instant::now() + PATIENCE;
        loop {
            let open = self.0.keeper.bound_to_program();
            match open {
                0 => return Ok(()),
                _ if Instant::now() >= until => return Err(Failed::Terminals(open)),
                _ => {
                    let what = format!("until {open} terminals that it would end are closed");
                    say(progress(None, "waiting", &what));
                }
            }
            sleep(LOOK).await;
        }
    }

    /// Changes the state on disk; answers why that was not possible.
    async fn note(&self, change: impl FnOnce(&mut State) + Send + 'static) -> Option<Failed> {
        let changed = blocking(&self.0.place, move |place| {
            let mut state = place.state()?;
            let before = state.clone();
            change(&mut state);
            if state == before { Ok(()) } else { place.save(&state) }
        });
        let error = changed.await.err()?;
        tracing::error!(%error, "the state of an update can't be written down");
        Some(error)
    }
}

async fn blocking<T: Send + 'static>(
    place: &Place,
    work: impl FnOnce(&Place) -> std::io::Result<T> + Send + 'static,
) -> Result<T, Failed> {
    let own = place.clone();
    let done = spawn_blocking(move || work(&own)).await?;
    done.map_err(|source| Failed::Place { place: place.path().to_owned(), source })
}

pub(super) fn progress(percent: Option<u8>, phase: &str, message: &str) -> Progress {
    Progress { percent, phase: Some(phase.into()), message: Some(message.into()) }
}

fn failed(why: &str) -> Done {
    Done::new(Outcome::Failed, Some(why))
}

fn abandoned() -> Done {
    failed("the agent ended before the new program was put in place; nothing was changed")
}

/// What a job is told about how its trial ended.
fn done(ended: &Ended) -> Done {
    let (from, to) = (ended.from, ended.version);
    match &ended.how {
        How::Confirmed => Done::new(Outcome::Succeeded, None)
            .with_result(json!({ "outcome": "confirmed", "from": from, "to": to })),
        How::RolledBack { why } => failed(&format!("{to} was tried, and {from} is back: {why}"))
            .with_result(json!({ "outcome": "rolled_back", "from": from, "to": to })),
        How::Abandoned => abandoned(),
    }
}

/// What `update --check` finds.
///
/// # Errors
/// Why there is nothing to compare with.
pub async fn look(
    config: &Path,
    dialer: Dialer,
    keys: &Keys,
    running: Version,
) -> Result<(Release, Result<(), Refusal>), String> {
    let target = super::target().ok_or_else(|| Failed::NoTarget.to_string())?;
    let floor = Place::beside(config).floor().map_err(|error| error.to_string())?;
    let source = Source::daemon(dialer, target, None);
    let release = source.release(keys).await.map_err(|error| error.to_string())?;
    let now = OffsetDateTime::now_utc();
    let admitted = release.admit(&Wanted { version: None, target, running, floor, now });
    Ok((release, admitted))
}
