//! The daemon's life: everything is checked and opened, then served, then drained.
//!
//! ```text
//! start: directory → store → secrets → names → sockets → certificate → ready
//! SIGHUP: configuration, certificate, names      SIGTERM: goodbye (1001) → drain → store closed
//! ```

mod doors;
mod upkeep;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gangplank_certs::{
    AuthorityError, ClientTrust, LoadError, NamesError, ServerConfigError, TicketError, TrustError,
};
use gangplank_proto::secret::Secret;
use gangplank_terminal::keeper::Keeper;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::socket::{AdminSocket, SocketError};
use crate::admin::{Admin, Live};
use crate::app::{App, Parts};
use crate::audit::By;
use crate::auth::{Auth, AuthError, PLATFORM_ROLE, SecretError, ServerSecret};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, RunMode};
use crate::egress::HttpClient;
use crate::keeper::link::External;
use crate::keeper::{self, DirectKeeper};
use crate::listener::{Admissions, BindError, Inherited};
use crate::store::{DataDir, Store, StoreError};
use crate::webhook::{self, Webhooks};
use crate::{approval, fleet, guard, http, job, notify, random, redis, schedule};
use doors::Doors;

/// How long open sockets and terminals are waited for at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// How long the start waits for the keeper of direct terminals.
const KEEPER: Duration = Duration::from_secs(1);

/// Over how long peers spread their coming back.
const SPREAD: Duration = Duration::from_secs(3);

/// Name of the first administrator.
pub const ADMIN: &str = "admin";

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The data directory or the database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server's own secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A user could not be made.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] random::RandomError),
    /// The names of this server.
    #[error("server.names: {0}")]
    Names(#[from] NamesError),
    /// A listening socket.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The socket for administration.
    #[error(transparent)]
    Admin(#[from] SocketError),
    /// A listening socket or a signal of the operating system.
    #[error("the operating system refused: {0}")]
    Os(#[from] std::io::Error),
    /// The own certificate authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The given certificate.
    #[error(transparent)]
    Certificate(#[from] LoadError),
    /// The keys of TLS tickets.
    #[error(transparent)]
    Tickets(#[from] TicketError),
    /// TLS itself.
    #[error(transparent)]
    Tls(#[from] ServerConfigError),
    /// Nothing to listen on.
    #[error("no listener is configured; set listen.tls")]
    NoListener,
}

/// Why nothing can be sent to others.
#[derive(Debug, thiserror::Error)]
enum ClientError {
    #[error("the file can't be read: {0}")]
    File(#[from] std::io::Error),
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// What a person or a program is told once connections are accepted.
#[derive(Debug)]
pub struct Ready {
    /// Where the console is.
    pub url: String,
    /// The own authority's certificate.
    pub ca: Option<PathBuf>,
    /// Its fingerprint.
    pub fingerprint: Option<String>,
    /// The first administrator's password, if it was made now.
    pub password: Option<Secret>,
}

/// Runs the daemon until it is told to stop. `reload` reads the configuration again.
///
/// # Errors
/// When it can't start; what goes wrong later is logged.
pub async fn run(
    config: Config,
    mode: RunMode,
    inherited: Inherited,
    reload: impl Fn() -> Result<Config, ConfigError>,
    reconfigured: impl Fn(&Config),
    ready: impl FnOnce(Ready),
) -> Result<(), RunError> {
    // Before anything is started, so that no signal is missed and none kills halfway.
    let mut signals = Signals::new()?;
    let clock = Clock::system();
    let directory = DataDir::open(&config.data_dir)?;
    let secret = match &config.auth.secret {
        Some(secret) => ServerSecret::new(secret.expose().as_bytes().to_vec()),
        None => ServerSecret::load_or_create(&directory)?,
    };
    let store = Store::open(directory).await?;
    let by = By::daemon(clock.now());
    let first = store.bootstrap(&by).await?;
    for (tenant, session) in store.open_sessions().await? {
        if session.mode == "direct" && config.keeper_socket.is_none() {
            // These lived in the daemon's process. Those of others are found again.
            store.end_session(tenant, &by, session.id, "the daemon was restarted").await?;
        }
    }
    store.detach_all_sessions(clock.now().plus(config.limits.detached_life)).await?;
    store.cancel_orphaned_approvals(clock.now()).await?;
    let auth = Auth::new(store.clone(), clock.clone(), &secret);
    let doors = Doors::open(&config, inherited, store.directory().path())?;
    let admin_socket = AdminSocket::bind(store.directory())?;
    // Last of what may fail: a password is made only when it can be told.
    let password = first_admin(&auth, &store, &by, first.id, mode).await?;
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let own = Keeper::new(keeper::config(&config.limits), tracker.clone(), stop.child_token());
    let external = config.keeper_socket.clone();
    let external = external.map(|socket| External::new(socket, config.limits.terminals()));
    let limits = watch::Sender::new(doors::limits(&config));
    let app = App::new(Parts {
        doors: doors.list(),
        trust: doors.trust(),
        first_tenant: first.id,
        config,
        store,
        clock,
        auth,
        keeper: DirectKeeper::new(own, external),
        webhooks: Webhooks::new(&secret),
        tracker: tracker.clone(),
    });

    tracker.spawn({
        let (app, stop) = (Arc::clone(&app), stop.clone());
        async move { app.keeper.follow(&app, stop).await }
    });
    // Pages that come back at once find their terminals.
    if tokio::time::timeout(KEEPER, app.keeper.back(None)).await.is_err() {
        tracing::warn!("starting without the keeper of direct terminals");
    }

    let router = http::router(&app);
    let (url, ca) = (doors.url(&app.config()), doors.ca_path());
    let (certificates, listeners) = doors.split();
    let admissions = Arc::new(Admissions::new(app.guard.clone()));
    let accepting = stop.child_token();
    for listener in listeners {
        tracker.spawn(listener.serve(
            router.clone(),
            limits.subscribe(),
            Arc::clone(&admissions),
            accepting.clone(),
            tracker.clone(),
        ));
    }
    let admin = Admin::new(app.store.clone(), app.auth.clone(), app.clock.clone(), first.id);
    let live = {
        let (app, url) = (Arc::clone(&app), url.clone());
        move || Live {
            url: url.clone(),
            agents: app.registry.all().len(),
            terminals: app.sessions.len(),
        }
    };
    tracker
        .spawn(admin_socket.serve(admin.with_live(Arc::clone(&app.registry), live), stop.clone()));
    tracker.spawn(fleet::follow(Arc::clone(&app), stop.clone()));
    tracker.spawn(guard::run(Arc::clone(&app), stop.clone()));
    tracker.spawn(job::run(Arc::clone(&app), stop.clone()));
    tracker.spawn(job::routine::run(Arc::clone(&app), stop.clone()));
    tracker.spawn(redis::run(Arc::clone(&app), stop.clone()));
    tracker.spawn(schedule::run(Arc::clone(&app), stop.clone()));
    tracker.spawn(approval::run(Arc::clone(&app), stop.clone()));
    match webhook_client(&app.config()) {
        Ok(client) => {
            tracker.spawn(webhook::run(Arc::clone(&app), client, stop.clone()));
        }
        Err(error) => tracing::error!(%error, "webhooks can't be sent (webhooks.ca)"),
    }
    tracker.spawn(upkeep::run(Arc::clone(&app), certificates.clone(), stop.clone()));
    tracker.spawn(notify::watchdog(stop.clone()));
    tracing::info!(%url, "ready");
    notify::ready(&format!("serving {url}"));
    let fingerprint = app.trust.as_ref().map(|trust| trust.fingerprint.clone());
    ready(Ready { url, ca, fingerprint, password });

    while signals.next().await == Asked::Reload {
        notify::reloading();
        match reload() {
            Ok(config) => {
                limits.send_replace(doors::limits(&config));
                reconfigured(&config);
                certificates.reload(&config);
                app.reconfigure(config);
                tracing::info!("the configuration was read again");
            }
            Err(error) => tracing::error!(%error, "the old configuration stays in force"),
        }
        notify::ready(&format!(
            "serving {}",
            app.config().server.public_url.clone().unwrap_or_default()
        ));
    }
    drain(&app, &tracker, &accepting, &stop, &mut signals).await;
    Ok(())
}

/// What speaks to receivers of events outside.
fn webhook_client(config: &Config) -> Result<HttpClient, ClientError> {
    let trust = match &config.webhooks.ca {
        Some(file) => ClientTrust::only(&std::fs::read(file)?)?,
        None => ClientTrust::system(),
    };
    let client = HttpClient::new(&trust, &config.webhooks.allow, webhook::WAIT, webhook::ANSWER)?;
    Ok(client)
}

/// The first administrator, where a person tries Gangplank and there is nobody yet.
async fn first_admin(
    auth: &Auth,
    store: &Store,
    by: &By,
    tenant: gangplank_proto::id::TenantId,
    mode: RunMode,
) -> Result<Option<Secret>, RunError> {
    if store.has_users().await? {
        return Ok(None);
    }
    if mode == RunMode::Serve {
        tracing::warn!("there are no users yet: gangplankd user add NAME --role admin");
        return Ok(None);
    }
    let password = random::password()?;
    if let Ok(name) = ADMIN.parse() {
        let roles = vec![ADMIN.to_owned(), PLATFORM_ROLE.0.to_owned()];
        auth.create_user(tenant, by, name, &password, roles).await?;
    }
    Ok(Some(password))
}

async fn drain(
    app: &App,
    tracker: &TaskTracker,
    accepting: &CancellationToken,
    stop: &CancellationToken,
    signals: &mut Signals,
) {
    notify::stopping();
    let (links, terminals) = (app.registry.all().len(), app.sessions.len());
    tracing::info!(links, terminals, "stopping");
    accepting.cancel();
    app.stop(SPREAD);
    tracker.close();
    let goodbyes = async {
        while !app.sessions.is_empty() || !app.registry.all().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        app.keeper.shutdown();
        stop.cancel();
        tracker.wait().await;
    };
    tokio::select! {
        () = goodbyes => tracing::info!("every socket has said goodbye"),
        () = tokio::time::sleep(DRAIN) => {
            tracing::warn!(left = tracker.len(), "not everybody was done in time");
        }
        _ = signals.next() => tracing::warn!("told twice: not waiting"),
    }
    stop.cancel();
    app.store.close().await;
}

/// What the operating system asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Reload,
    Stop,
}

struct Signals {
    hang_up: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.hang_up.recv() => Asked::Reload,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
        }
    }
}
