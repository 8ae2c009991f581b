//! What the parts of the daemon share.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use gangplank_proto::close::{CloseCode, retry_in};
use gangplank_proto::error::HostKey;
use gangplank_proto::id::TenantId;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::approval::Approvals;
use crate::auth::Auth;
use crate::clock::Clock;
use crate::config::Config;
use crate::event::Events;
use crate::guard::{Guard, Rate, Source};
use crate::identity::{Door, OwnNames};
use crate::ingest::Quotas;
use crate::inspect::Inspector;
use crate::job::Jobs;
use crate::keeper::DirectKeeper;
use crate::oidc::Oidc;
use crate::patchmon::Patchmon;
use crate::registry::Registry;
use crate::schedule::Schedules;
use crate::session::Sessions;
use crate::socket::End;
use crate::store::{NewHostKey, Store};
use crate::ticket::Tickets;
use crate::webhook::Webhooks;

/// The daemon's shared state.
#[derive(Debug)]
pub struct App {
    config: ArcSwap<Config>,
    names: ArcSwap<OwnNames>,
    doors: Vec<Door>,
    /// The tenant that a new installation begins with.
    pub first_tenant: TenantId,
    /// What survives a restart.
    pub store: Store,
    /// The time of day.
    pub clock: Clock,
    /// Who is asking, and what they may do.
    pub auth: Auth,
    /// Single sign-on.
    pub oidc: Oidc,
    /// Rights to open a socket.
    pub tickets: Tickets,
    /// Limits against peers.
    pub guard: Guard,
    /// Open sockets, and who looks into them.
    pub inspector: Arc<Inspector>,
    /// Which agents are here.
    pub registry: Arc<Registry>,
    /// Which terminals are open.
    pub sessions: Arc<Sessions>,
    /// Topics.
    pub events: Events,
    /// Commands to hosts.
    pub jobs: Jobs,
    /// What waits for consent.
    pub approvals: Approvals,
    /// Orders that come again and again.
    pub schedules: Schedules,
    /// Receivers of events outside.
    pub webhooks: Webhooks,
    /// What PatchMon's agents need beside their link.
    pub patchmon: Patchmon,
    /// How much devices send.
    pub quotas: Quotas,
    /// How many hosts register, by where they come from.
    pub registrations: Rate<Source>,
    /// The terminals that the daemon dials itself.
    pub keeper: DirectKeeper,
    /// Every task of a socket.
    pub tracker: TaskTracker,
    /// What people need to trust us.
    pub trust: Option<Trust>,
    stop: watch::Sender<Option<Duration>>,
}

/// The certificate authority that the daemon made for itself.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Its certificate as PEM.
    pub ca_pem: String,
    /// SHA-256 of the certificate, in hex with colons.
    pub fingerprint: String,
}

/// What [`App::new`] joins.
#[derive(Debug)]
pub struct Parts {
    /// The configuration at the start.
    pub config: Config,
    /// Its listening sockets.
    pub doors: Vec<Door>,
    /// The tenant that a new installation begins with.
    pub first_tenant: TenantId,
    /// What survives a restart.
    pub store: Store,
    /// The time of day.
    pub clock: Clock,
    /// Who is asking, and what they may do.
    pub auth: Auth,
    /// The terminals that the daemon dials itself.
    pub keeper: DirectKeeper,
    /// Receivers of events outside.
    pub webhooks: Webhooks,
    /// Every task of a socket.
    pub tracker: TaskTracker,
    /// What people need to trust us.
    pub trust: Option<Trust>,
}

impl App {
    /// Joins the parts.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            config,
            doors,
            first_tenant,
            store,
            clock,
            auth,
            keeper,
            webhooks,
            tracker,
            trust,
        } = parts;
        let guard = Guard::new(config.guard.clone(), &config.limits);
        Arc::new(Self {
            names: ArcSwap::from_pointee(own_names(&config, &doors)),
            config: ArcSwap::from_pointee(config),
            doors,
            first_tenant,
            tickets: Tickets::new(store.clone(), clock.clone()),
            events: Events::new(store.clone(), clock.clone(), tracker.clone()),
            guard,
            oidc: Oidc::default(),
            inspector: Inspector::new(clock.clone()),
            registry: Arc::default(),
            sessions: Arc::default(),
            jobs: Jobs::default(),
            approvals: Approvals::default(),
            schedules: Schedules::default(),
            webhooks,
            patchmon: Patchmon::default(),
            quotas: Quotas::default(),
            registrations: Rate::default(),
            stop: watch::Sender::new(None),
            store,
            clock,
            auth,
            keeper,
            tracker,
            trust,
        })
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// Puts another configuration in force, with the names that follow from it. The sockets stay.
    pub fn reconfigure(&self, config: Config) {
        self.names.store(Arc::new(own_names(&config, &self.doors)));
        self.guard.configure(config.guard.clone(), &config.limits);
        self.config.store(Arc::new(config));
    }

    /// The names by which the daemon goes.
    #[must_use]
    pub fn names(&self) -> Arc<OwnNames> {
        self.names.load_full()
    }

    /// Whether a page of this origin is one of ours, or was let in by configuration.
    #[must_use]
    pub fn is_own_origin(&self, origin: &str) -> bool {
        self.names.load().is_origin(origin)
    }

    /// Says goodbye on every socket; peers are asked to wait up to `spread` before they come back,
    /// each for another while.
    pub fn stop(&self, spread: Duration) {
        self.stop.send_replace(Some(spread));
    }

    /// Whether the daemon is stopping.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// Tells a socket that the daemon stops.
    #[must_use]
    pub fn stopping(&self) -> Stopping {
        Stopping(self.stop.subscribe())
    }
}

/// Waits for the daemon's end.
#[derive(Debug)]
pub struct Stopping(watch::Receiver<Option<Duration>>);

impl Stopping {
    /// Waits, and says how to close then. Cancel safe.
    pub async fn wait(&mut self) -> End {
        let spread = match self.0.wait_for(Option::is_some).await {
            Ok(spread) => spread.unwrap_or_default(),
            Err(_) => Duration::ZERO,
        };
        let mut random = [0; 4];
        // Without randomness everybody comes back at once, which is bearable.
        let _ = getrandom::fill(&mut random);
        let part = f64::from(u32::from_be_bytes(random)) / f64::from(u32::MAX);
        let wait = Duration::from_millis(250) + spread.mul_f64(part);
        End::close(CloseCode::GoingAway, retry_in(wait))
    }
}

/// The names that follow from sockets and configuration.
fn own_names(config: &Config, doors: &[Door]) -> OwnNames {
    let names: Vec<_> = config.server.names.iter().map(ToString::to_string).collect();
    let mut origins = config.auth.origins.clone();
    origins.extend(config.server.public_url.clone());
    OwnNames::new(&names, doors, &origins)
}

/// A host key as the store keeps it.
#[must_use]
pub fn stored_key(key: HostKey) -> NewHostKey {
    NewHostKey { key_type: key.key_type, openssh: key.line, fingerprint: key.fingerprint }
}
