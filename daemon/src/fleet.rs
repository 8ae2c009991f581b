//! Hosts as they are right now: what the store knows, joined with whether their agents are here,
//! and the events that tell of it.

use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::close::{CloseCode, retry_in};
use gangplank_proto::docker::{DockerInventory, DockerStatus};
use gangplank_proto::fact::{FactText, Hello};
use gangplank_proto::id::{ApiId, HostId, TenantId};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::audit::{Actor, By};
use crate::auth::{Change, News};
use crate::clock::{Jumps, Timestamp};
use crate::event::Topic;
use crate::job;
use crate::link::AgentLink;
use crate::session::life;
use crate::socket::End;
use crate::store::{AgentKind, Attestation, Host, HostKeySource, HostState, Presence, StoreError};

/// How often links are looked at for missed heartbeats.
const SWEEP: Duration = Duration::from_secs(5);

/// Why an agent that is here is here.
pub const CONNECTED: &str = "connected";

/// Whether a host's agent is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its agent is connected.
    Online,
    /// Its agent is connected but missed a heartbeat.
    Stale,
    /// Its agent is not connected.
    Offline,
    /// It waits for a person's consent.
    Pending,
}

/// A host's presence as people see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// Whether its agent is here.
    pub state: State,
    reason: String,
    since: Timestamp,
    secure: Option<bool>,
    agent_version: Option<FactText>,
    rtt_ms: Option<f64>,
}

/// A reported host key that waits for a person.
#[derive(Debug, Clone, Serialize)]
struct PendingKey {
    key_type: String,
    fingerprint: String,
}

/// A host as the API answers it.
#[derive(Debug, Clone, Serialize)]
pub struct HostView {
    id: HostId,
    api_id: ApiId,
    friendly_name: String,
    address: Option<String>,
    port: u16,
    gateway_id: Option<HostId>,
    labels: Vec<String>,
    status: Status,
    same_as: Option<HostId>,
    agent: Option<AgentKind>,
    os: Option<FactText>,
    os_version: Option<FactText>,
    hostname: Option<FactText>,
    arch: Option<FactText>,
    kernel: Option<FactText>,
    terminal: Vec<FactText>,
    pty_users: Vec<FactText>,
    run_as: Option<FactText>,
    host_keys_pending: Vec<PendingKey>,
    created_at: Timestamp,
    first_report_at: Option<Timestamp>,
    last_seen_at: Option<Timestamp>,
}

/// An event of the topic `hosts`.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum HostEvent {
    Added { host: Box<HostView> },
    Changed { host: Box<HostView> },
    Removed { host_id: HostId },
    Presence { host: Box<HostView> },
    FirstReport { host: Box<HostView> },
    Container { host_id: HostId, container: DockerStatus },
}

impl State {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Stale => "stale",
            Self::Offline => "offline",
            Self::Pending => "pending",
        }
    }
}

impl Status {
    /// The presence of a host whose agent is here by `link`, or isn't.
    #[must_use]
    pub fn of(host: &Host, link: Option<&AgentLink>) -> Self {
        let known = host.presence.as_ref();
        let state = match link {
            _ if host.state == HostState::Pending => State::Pending,
            Some(link) if link.heartbeat().is_late() => State::Stale,
            Some(_) => State::Online,
            None => State::Offline,
        };
        let reason = match (state, known) {
            (State::Pending, _) => "waits until somebody accepts it".to_owned(),
            (State::Stale, _) => "missed a heartbeat".to_owned(),
            (State::Online, _) => CONNECTED.to_owned(),
            (State::Offline, Some(presence)) => presence.reason.clone(),
            (State::Offline, None) => "never connected".to_owned(),
        };
        // A live link knows better than the store, which hears of it a moment later.
        let here = link.map(|link| &link.peer);
        let rtt = link.and_then(|link| link.heartbeat().round_trip());
        Self {
            state,
            reason,
            since: here
                .map(|peer| peer.since)
                .or(known.map(|presence| presence.since))
                .unwrap_or(host.created_at),
            secure: here.map(|peer| peer.secure).or(known.map(|presence| presence.secure)),
            agent_version: some(&host.facts.agent_version),
            rtt_ms: rtt.map(|rtt| (rtt.as_secs_f64() * 10_000.0).round() / 10.0),
        }
    }
}

fn some(fact: &FactText) -> Option<FactText> {
    (!fact.is_empty()).then(|| fact.clone())
}

/// A host as the API answers it.
///
/// # Errors
/// When the store fails.
pub async fn view(app: &App, host: Host) -> Result<HostView, StoreError> {
    let keys = app.store.host_keys(host.tenant, host.id).await?;
    let pending = keys.into_iter().filter(|key| key.source == HostKeySource::Pending);
    let link = app.registry.of_host(host.id);
    // Its agents don't say what their host allows.
    let terminal = match host.agent {
        Some(AgentKind::Patchmon) => vec![FactText::from("ssh")],
        _ => host.policy.terminal.clone(),
    };
    Ok(HostView {
        status: Status::of(&host, link.as_deref()),
        id: host.id,
        api_id: host.api_id,
        friendly_name: host.friendly_name,
        address: host.address,
        port: host.port,
        gateway_id: host.gateway,
        labels: host.labels,
        same_as: host.same_as,
        agent: host.agent,
        os: some(&host.facts.os),
        os_version: some(&host.facts.os_version),
        hostname: some(&host.facts.hostname),
        arch: some(&host.facts.arch),
        kernel: some(&host.facts.kernel),
        terminal,
        pty_users: host.policy.users,
        run_as: some(&host.facts.run_as),
        host_keys_pending: pending
            .map(|key| PendingKey { key_type: key.key_type, fingerprint: key.fingerprint })
            .collect(),
        created_at: host.created_at,
        first_report_at: host.first_report_at,
        last_seen_at: host.last_seen_at,
    })
}

/// Writes down that an agent came or went, and tells.
pub async fn presence(app: &App, link: &AgentLink, reason: &str) {
    let peer = &link.peer;
    let since = app.clock.now();
    let presence = Presence { since, reason: reason.to_owned(), secure: peer.secure };
    let put = app.store.put_presence(peer.tenant, peer.host, &presence).await;
    if let Err(error) = put {
        tracing::error!(%error, host = %peer.host, "a presence could not be written down");
    }
    tell(app, peer.tenant, peer.host, |host| HostEvent::Presence { host }).await;
}

/// Takes what an agent says of its host.
///
/// # Errors
/// When the store fails.
pub async fn report(app: &App, link: &AgentLink, hello: &Hello) -> Result<(), StoreError> {
    let (tenant, host) = (link.peer.tenant, link.peer.host);
    let now = app.clock.now();
    let ports = if hello.ssh_ports.is_empty() { &[22][..] } else { &hello.ssh_ports };
    let put = app.store.put_report(tenant, host, &hello.host, &hello.policy, ports, now).await?;
    let Some(first) = put else { return Ok(()) };
    life::reconcile(app, link, &hello.sessions).await?;
    let keys: Vec<_> = hello
        .host_keys
        .iter()
        .filter_map(|line| gangplank_terminal::ssh::host_key::fingerprint(line))
        .map(crate::app::stored_key)
        .collect();
    let actor = Actor::Agent(link.peer.api_id.clone());
    let by = By { actor, source: None, at: now };
    if app.store.attest_host_keys(tenant, &by, host, &keys).await? == Attestation::Pending {
        tracing::warn!(%host, "an agent reports other host keys than before; a person must accept them");
        crate::alert::host_key_changed(app, tenant, host, None).await;
    }
    reported(app, tenant, host, first).await;
    Ok(())
}

/// Tells that a host reported something, for the first time perhaps.
pub async fn reported(app: &App, tenant: TenantId, host: HostId, first: bool) {
    if first {
        tell(app, tenant, host, |host| HostEvent::FirstReport { host }).await;
    } else {
        tell(app, tenant, host, |host| HostEvent::Changed { host }).await;
    }
}

/// Takes a change of a container of a host whose inventory is here, and tells.
///
/// # Errors
/// When the store fails.
pub async fn container(
    app: &App,
    link: &AgentLink,
    change: &DockerStatus,
) -> Result<(), StoreError> {
    let (tenant, host) = (link.peer.tenant, link.peer.host);
    let take = |inventory: &mut DockerInventory| inventory.take(change);
    if app.store.change_claim(tenant, host, app.clock.now(), take).await? {
        let event = HostEvent::Container { host_id: host, container: change.clone() };
        app.events.publish(tenant, Topic::Hosts, &event).await?;
    }
    Ok(())
}

/// Publishes an event about a host; a host that is gone has none.
async fn tell(
    app: &App,
    tenant: TenantId,
    host: HostId,
    event: impl FnOnce(Box<HostView>) -> HostEvent,
) {
    let told = async {
        let Some(host) = app.store.host(tenant, host).await? else { return Ok(()) };
        let event = event(Box::new(view(app, host).await?));
        app.events.publish(tenant, Topic::Hosts, &event).await.map(|_| ())
    };
    let told: Result<(), StoreError> = told.await;
    if let Err(error) = told {
        tracing::error!(%error, %host, "an event about a host could not be published");
    }
}

/// Follows changes made by people and looks after links, until the daemon stops.
pub async fn follow(app: Arc<App>, stop: CancellationToken) {
    let mut news = app.auth.revocations().listen();
    let mut sweep = tokio::time::interval(SWEEP);
    let mut late = std::collections::HashSet::new();
    let mut jumps = Jumps::new(app.clock.clone());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            news = news.next() => match news {
                News::Change(change) => changed(&app, change).await,
                News::Missed => check_links(&app).await,
                News::Ended => return,
            },
            _ = sweep.tick() => {
                if let Some(millis) = jumps.look() {
                    tracing::warn!(millis, "the time of day was set");
                    if let Err(error) = app.store.shift_detached(millis).await {
                        tracing::error!(%error, "terminals could not be kept for as long as before");
                    }
                }
                if let Err(error) = life::expire(&app).await {
                    tracing::error!(%error, "terminals whose life is over could not be ended");
                }
                let links = app.registry.all();
                late.retain(|id| links.iter().any(|link| link.id == *id));
                for link in links {
                    let is_late = link.heartbeat().is_late();
                    let changed = if is_late { late.insert(link.id) } else { late.remove(&link.id) };
                    if changed {
                        let (tenant, host) = (link.peer.tenant, link.peer.host);
                        tell(&app, tenant, host, |host| HostEvent::Presence { host }).await;
                    }
                }
            }
        }
    }
}

async fn changed(app: &App, change: Change) {
    match change {
        Change::HostAdded(tenant, host) => {
            tell(app, tenant, host, |host| HostEvent::Added { host }).await;
        }
        Change::HostChanged(tenant, host) => {
            tell(app, tenant, host, |host| HostEvent::Changed { host }).await;
        }
        Change::HostKeyChanged(tenant, host) => {
            // By now the new agent may be here; only who came with the old credential goes.
            check_links(app).await;
            tell(app, tenant, host, |host| HostEvent::Changed { host }).await;
        }
        Change::HostReplaced { tenant, pending, host } => {
            // Both agents go: the one comes back as the known host, the other's credential is void.
            let wait = retry_in(Duration::from_millis(250));
            app.registry.close_host(pending, End::close(CloseCode::GoingAway, wait));
            check_links(app).await;
            let event = HostEvent::Removed { host_id: pending };
            if let Err(error) = app.events.publish(tenant, Topic::Hosts, &event).await {
                tracing::error!(%error, %pending, "an event about a host could not be published");
            }
            tell(app, tenant, host, |host| HostEvent::Changed { host }).await;
        }
        Change::HostRemoved(tenant, host) => {
            // Its terminals end first, while the agent hears it.
            if let Err(error) = life::end_host(app, tenant, host).await {
                tracing::error!(%error, %host, "terminals of a removed host could not be ended");
            }
            job::end_host(app, tenant, host).await;
            app.registry.close_host(host, revoked());
            let event = HostEvent::Removed { host_id: host };
            if let Err(error) = app.events.publish(tenant, Topic::Hosts, &event).await {
                tracing::error!(%error, %host, "an event about a host could not be published");
            }
        }
        Change::UserChanged(user) => {
            if let Err(error) = life::check_user(app, user).await {
                tracing::error!(%error, "terminals of a user could not be looked into");
            }
        }
        Change::TenantChanged(tenant) => {
            check_links(app).await;
            if let Err(error) = life::check_tenant(app, tenant).await {
                tracing::error!(%error, "terminals of a tenant could not be looked into");
            }
        }
        _ => {}
    }
}

/// Links whose host is gone or has another credential, or whose tenant is not let in any more, are
/// found in the store.
async fn check_links(app: &App) {
    for link in app.registry.all() {
        match may_stay(app, &link).await {
            Ok(true) => {}
            Ok(false) => link.close(revoked()),
            Err(error) => tracing::error!(%error, "a link could not be checked"),
        }
    }
}

/// Whether an agent's credential still counts.
///
/// # Errors
/// When the store fails.
pub async fn may_stay(app: &App, link: &AgentLink) -> Result<bool, StoreError> {
    let host = app.store.host(link.peer.tenant, link.peer.host).await?;
    let same = host.is_some_and(|host| host.api_id == link.peer.api_id);
    Ok(same && app.store.is_active(link.peer.tenant).await?)
}

fn revoked() -> End {
    End::close(CloseCode::Unauthenticated, "the credential was revoked")
}
