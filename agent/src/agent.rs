//! The running agent: a keeper of terminals, and one link after the other.

use std::fmt;
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gangplank_certs::TrustError;
use gangplank_proto::fact::Hello;
use gangplank_proto::limit;
use gangplank_proto::link::Open;
use gangplank_proto::release::Version;
use gangplank_proto::settings::Settings;
use gangplank_terminal::frozen::Frozen;
use gangplank_terminal::keeper::{Keeper, KeeperConfig};
use gangplank_terminal::lent::Lender;
use gangplank_terminal::link::Channels;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Credentials, Local, ServerKind, file};
use crate::dial::Dialer;
use crate::helper::borrow;
use crate::job::{Jobs, Journal, Surroundings};
use crate::link::{
    Backoff, ConnectError, Connected, Ended, Link, Loss, OfHost, Polling, RequestError, Retry,
    connect,
};
use crate::patchmon::Service;
use crate::policy::Account;
use crate::telemetry::{Nature, Telemetry};
use crate::update::handover::Handover;
use crate::update::trial::Trial;
use crate::update::{Updates, built_as};
use crate::{docker, facts};

/// For terminals to hang up and say so when the agent stops.
const DRAIN: Duration = Duration::from_secs(5);

/// For commands to end and their outcome to be told when the agent stops.
const STOP_JOBS: Duration = Duration::from_secs(9);

/// What the agent is doing, for whoever watches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No link yet.
    Connecting,
    /// The daemon took the credentials.
    Connected,
    /// Something on the way refuses the upgrade: jobs go by plain requests, terminals not at all.
    Polling,
    /// The link was lost or refused.
    Waiting {
        /// Why, for people.
        why: String,
    },
    /// The end.
    Stopping,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Connected => f.write_str("connected"),
            Self::Polling => {
                f.write_str("connected for commands only: the way takes no WebSockets")
            }
            Self::Waiting { why } => write!(f, "waiting to try again: {why}"),
            Self::Stopping => f.write_str("stopping"),
        }
    }
}

/// An agent, before and while it runs.
#[derive(Debug)]
pub struct Agent {
    dialer: Dialer,
    credentials: Credentials,
    own: Account,
    local: watch::Sender<Arc<Local>>,
    settings: watch::Sender<Settings>,
    containers: docker::Changes,
    keeper: Keeper,
    terminals: TaskTracker,
    journal: Journal,
    work: TaskTracker,
    telemetry: PathBuf,
    updates: Updates,
    state: watch::Sender<State>,
    heartbeat: Duration,
}

impl Agent {
    /// Prepares an agent; nothing is connected yet.
    ///
    /// # Errors
    /// [`TrustError`] when what is to be trusted can't be used.
    pub fn new(config: Config) -> Result<Self, TrustError> {
        Self::of_release(config, built_as(), None, None)
    }

    /// As [`Self::new`], for a program that was released as this version, may be on trial, and was
    /// `left` terminals by the program before it.
    ///
    /// # Errors
    /// [`TrustError`] when what is to be trusted can't be used.
    pub fn of_release(
        config: Config,
        release: Version,
        trial: Option<Trial>,
        left: Option<Arc<Handover>>,
    ) -> Result<Self, TrustError> {
        let terminals = TaskTracker::new();
        let stop = CancellationToken::new();
        let local = watch::Sender::new(Arc::new(config.local.clone()));
        let bounds = KeeperConfig {
            terminals: limit::CHANNELS_PER_LINK,
            lender: Some(lender(local.subscribe())),
            ..KeeperConfig::default()
        };
        let dialer = Dialer::new(&config.server)?;
        let keeper = Keeper::new(bounds, terminals.clone(), stop);
        let updates = Updates::new(&config, dialer.clone(), keeper.clone(), release, trial, left);
        Ok(Self {
            dialer,
            credentials: config.credentials,
            own: facts::own_account(),
            local,
            settings: watch::Sender::new(Settings::default()),
            containers: docker::Changes::default(),
            keeper,
            terminals,
            journal: Journal::new(file::beside(&config.path, "jobs")),
            telemetry: file::beside(&config.path, "telemetry"),
            work: TaskTracker::new(),
            updates,
            state: watch::Sender::new(State::Connecting),
            heartbeat: limit::HEARTBEAT,
        })
    }

    /// Another time between two pings.
    #[must_use]
    pub fn with_heartbeat(self, heartbeat: Duration) -> Self {
        Self { heartbeat, ..self }
    }

    /// What the agent is doing, now and from now on.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Terminals that are open.
    #[must_use]
    pub fn terminals(&self) -> usize {
        self.keeper.len()
    }

    /// What replaces its program.
    #[must_use]
    pub fn updates(&self) -> &Updates {
        &self.updates
    }

    /// Takes another policy for all that is opened from now on, and tells the daemon.
    pub fn reload(&self, local: Local) {
        self.local.send_replace(Arc::new(local));
    }

    /// Runs until `stop` is cancelled: connects, serves, and connects again. Then terminals are
    /// hung up, the daemon hears of it, and the link is closed. When another program takes over, the
    /// terminals that can outlive this one are answered for it.
    pub async fn run(&self, stop: CancellationToken) -> Vec<Frozen> {
        self.updates.begin();
        let around = Surroundings {
            local: self.local.subscribe(),
            settings: self.settings.clone(),
            updates: self.updates.clone(),
        };
        let jobs = Jobs::start(self.journal.clone(), around, &self.work);
        let (local, settings) = (self.local.subscribe(), self.settings.subscribe());
        let follow = docker::follow(self.containers.clone(), local, settings);
        self.work.spawn(stop.clone().run_until_cancelled_owned(follow));
        match self.dialer.kind() {
            ServerKind::Gangplank => {
                let telemetry = self.telemetry().run();
                self.work.spawn(stop.clone().run_until_cancelled_owned(telemetry));
                self.link(&jobs, &stop).await;
            }
            ServerKind::PatchMon => self.patchmon(&stop).await,
        }
        self.state.send_replace(State::Stopping);
        self.hang_up(&jobs).await;
        self.leave().await
    }

    fn telemetry(&self) -> Telemetry {
        Telemetry {
            dialer: self.dialer.clone(),
            credentials: self.credentials.clone(),
            local: self.local.subscribe(),
            directory: self.telemetry.clone(),
            nature: Nature { now: SystemTime::now, random },
        }
    }

    /// One link to a daemon after the other.
    async fn link(&self, jobs: &Jobs, stop: &CancellationToken) {
        let mut backoff = Backoff::default();
        let mut said = String::new();
        let mut retry = Retry::default();
        while !stop.is_cancelled() {
            let (why, loss, lived) = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                connected = connect(&self.dialer, &self.credentials) => match connected {
                    Err(error) if error.is_no_upgrade() => {
                        let wait = retry.next(random());
                        match self.poll(jobs, stop, &error, wait).await {
                            Ok(()) => continue,
                            Err(_) => (error.to_string(), error.loss(), Duration::ZERO),
                        }
                    }
                    Err(error) => (error.to_string(), error.loss(), Duration::ZERO),
                    Ok(socket) => {
                        said.clear();
                        retry = Retry::default();
                        let since = Instant::now();
                        let ended = self.serve(socket, jobs, stop).await;
                        (ended.to_string(), ended.loss(), since.elapsed())
                    }
                },
            };
            if stop.is_cancelled() {
                break;
            }
            let wait = backoff.next(loss, lived, !self.keeper.is_empty(), random());
            complain(&mut said, &why, loss, wait);
            self.state.send_replace(State::Waiting { why });
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// One link to a PatchMon server after the other.
    async fn patchmon(&self, stop: &CancellationToken) {
        let service = Service {
            dialer: &self.dialer,
            credentials: &self.credentials,
            local: self.local.subscribe(),
            own: &self.own,
            keeper: &self.keeper,
            state: &self.state,
            updates: &self.updates,
            heartbeat: self.heartbeat,
        };
        service.run(stop, random).await;
    }

    async fn serve(&self, socket: Connected, jobs: &Jobs, stop: &CancellationToken) -> Ended {
        let url = self.dialer.url();
        tracing::info!(server = %url, secure = self.dialer.secure(), "connected");
        self.state.send_replace(State::Connected);
        self.prove(jobs).await;
        let mut local = self.local.subscribe();
        let (said, hello) = watch::channel(self.hello().await);
        // A daemon that isn't told offers people what the host refuses.
        let tell = async {
            while local.changed().await.is_ok() {
                said.send_replace(self.hello().await);
            }
            pending().await
        };
        let (local, own) = (self.local.subscribe(), self.own.clone());
        let check = move |open: &Open| {
            let local = Arc::clone(&local.borrow());
            let own = own.helped_by(&local.helper);
            local.policy.check(open, &own).map_err(|refusal| refusal.to_string())
        };
        let channels =
            Channels::new(self.keeper.clone(), Box::new(check), limit::CHANNELS_PER_LINK);
        let over = CancellationToken::new();
        let line = jobs.line().await;
        let host = OfHost { settings: self.settings.clone(), containers: self.containers.listen() };
        let link = Link::new(socket, channels, line, host, self.heartbeat);
        let link = link.run(hello, over.clone());
        // The link goes on while terminals hang up, so that their last words reach the daemon.
        let farewell = async {
            stop.cancelled().await;
            self.state.send_replace(State::Stopping);
            self.hang_up(jobs).await;
            over.cancel();
            pending().await
        };
        tokio::select! {
            ended = link => ended,
            ended = farewell => ended,
            ended = tell => ended,
        }
    }

    /// Does without a WebSocket for a while.
    async fn poll(
        &self,
        jobs: &Jobs,
        stop: &CancellationToken,
        refused: &ConnectError,
        wait: Duration,
    ) -> Result<(), RequestError> {
        let polling = Polling::open(&self.dialer, &self.credentials, jobs).await?;
        let before = self.state.send_replace(State::Polling);
        if before != State::Polling {
            tracing::warn!(why = %refused, "no WebSocket: asking for commands by plain requests");
        }
        self.prove(jobs).await;
        let farewell = async {
            stop.cancelled().await;
            self.state.send_replace(State::Stopping);
            self.hang_up(jobs).await;
        };
        tokio::select! {
            ended = polling.run(Instant::now() + wait) => ended,
            () = farewell => Ok(()),
        }
    }

    /// The daemon took this agent: a version on trial stays, and whoever ordered it is told.
    async fn prove(&self, jobs: &Jobs) {
        if let Some((job, done)) = self.updates.connected().await {
            jobs.settle(job, done).await;
        }
    }

    /// What the daemon is told about this host, as it is now.
    async fn hello(&self) -> Hello {
        let local = Arc::clone(&self.local.borrow());
        let own = self.own.clone();
        // A link without facts is better than none.
        let hello = tokio::task::spawn_blocking(move || facts::hello(&local, &own)).await;
        let mut hello = hello.unwrap_or_default();
        hello.host.agent_version = self.updates.running().to_string().into();
        Hello { sessions: self.keeper.list(), ..hello }
    }

    /// Whether terminals are left to another program. A PatchMon server knows no coming back to them.
    fn is_replaced(&self) -> bool {
        self.updates.restart().is_cancelled() && self.dialer.kind() == ServerKind::Gangplank
    }

    /// Ends all commands, and the terminals that end with this program, and waits, but not for long,
    /// until their processes are gone.
    async fn hang_up(&self, jobs: &Jobs) {
        let terminals = async {
            if self.is_replaced() {
                return self.keeper.end_bound_to_program().await;
            }
            self.keeper.shutdown();
            self.terminals.close();
            self.terminals.wait().await;
        };
        let (terminals, ()) = tokio::join!(timeout(DRAIN, terminals), async {
            if timeout(STOP_JOBS, jobs.stop()).await.is_err() {
                tracing::warn!("commands did not end in time");
            }
        });
        if terminals.is_err() {
            tracing::warn!(left = self.keeper.len(), "terminals did not end in time");
        }
    }

    /// Lays to rest what goes on in another program. There is no link any more: whoever shows one of
    /// them was told nothing, and comes back to it.
    async fn leave(&self) -> Vec<Frozen> {
        if !self.is_replaced() {
            return Vec::new();
        }
        self.keeper.freeze();
        self.terminals.close();
        if timeout(DRAIN, self.terminals.wait()).await.is_err() {
            tracing::warn!(left = self.keeper.len(), "terminals were not left in time");
        }
        self.keeper.frozen()
    }
}

/// Has the helper start the shells of other users.
fn lender(local: watch::Receiver<Arc<Local>>) -> Lender {
    Lender::new(move |user, request| {
        let socket = local.borrow().helper.clone();
        async move { borrow::shell(&socket, &user, &request).await }
    })
    .resuming(borrow::resumed)
}

/// Says why there is no link: once loudly, and again only when the reason is another.
fn complain(said: &mut String, why: &str, loss: Loss, wait: Duration) {
    let again_in = format!("{:.1} s", wait.as_secs_f64());
    if said == why {
        tracing::debug!(why, again_in, "no link, still");
        return;
    }
    match loss {
        Loss::Refused => tracing::error!(why, "no link; trying again about every minute"),
        Loss::Replaced => tracing::warn!(
            again_in,
            "another agent took this one's place with the same credentials: if this machine was \
             cloned, enrol the clone anew"
        ),
        Loss::Broken | Loss::RetryIn(_) => tracing::warn!(why, again_in, "no link"),
    }
    why.clone_into(said);
}

/// Uniform in 0..1.
fn random() -> f64 {
    // Without randomness from the system every agent waits the longest: late, but never a storm.
    getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX))
}
