//! The lives of terminals that nobody shows: how long they are kept, and who ends them.

use std::collections::HashSet;
use std::time::Duration;

use gangplank_proto::fact::HeldSession;
use gangplank_proto::id::{HostId, SessionId, TenantId, UserId};
use gangplank_proto::link::{Keep, Size};

use super::Ending;
use super::terminal::PERMISSION;
use crate::app::App;
use crate::audit::By;
use crate::clock::Timestamp;
use crate::keeper::link::KeeperLink;
use crate::link::AgentLink;
use crate::store::{Left, Session, StoreError};

/// What a keeper may be late in ending a terminal before the store is told without it.
const LATE: Duration = Duration::from_secs(10);

/// How a tenant's terminals are kept while nobody shows them.
///
/// # Errors
/// When the store fails.
pub async fn keep(app: &App, tenant: TenantId) -> Result<Keep, StoreError> {
    let limits = &app.config().limits;
    let life = app.store.detached_life(tenant).await?.unwrap_or(limits.detached_life);
    Ok(Keep::new(life, limits.lossless_hold))
}

/// Ends a terminal, whether it is shown or not. It is over in the store first; a keeper that can't
/// be reached now hears of it when it is back.
///
/// # Errors
/// When the store fails; the terminal then goes on.
pub async fn end(
    app: &App,
    tenant: TenantId,
    by: &By,
    session: &Session,
    ending: Ending,
) -> Result<(), StoreError> {
    if app.sessions.end(tenant, session.id, ending) {
        return Ok(());
    }
    app.store.end_session(tenant, by, session.id, ending.reason()).await?;
    if session.mode == "direct" {
        app.keeper.end(session.id);
    } else if let Some(link) = app.registry.of_host(session.host) {
        link.end_session(session.id);
    }
    Ok(())
}

/// Ends what a user left running, if they may no longer have it.
///
/// # Errors
/// When the store fails.
pub async fn check_user(app: &App, user: UserId) -> Result<(), StoreError> {
    for (tenant, session) in app.store.open_sessions().await? {
        if session.user == user && !may_keep(app, tenant, &session).await? {
            end(app, tenant, &By::daemon(app.clock.now()), &session, Ending::Withdrawn).await?;
        }
    }
    Ok(())
}

/// Ends what the users of a tenant left running, if they may no longer have it.
///
/// # Errors
/// When the store fails.
pub async fn check_tenant(app: &App, tenant: TenantId) -> Result<(), StoreError> {
    for (of, session) in app.store.open_sessions().await? {
        if of == tenant && !may_keep(app, tenant, &session).await? {
            end(app, tenant, &By::daemon(app.clock.now()), &session, Ending::Withdrawn).await?;
        }
    }
    Ok(())
}

/// For those who show terminals of a host that is removed.
const FAREWELL: Duration = Duration::from_secs(1);

async fn may_keep(app: &App, tenant: TenantId, session: &Session) -> Result<bool, StoreError> {
    let permissions = app.store.permissions_of_user(tenant, session.user, app.clock.now()).await?;
    Ok(permissions.is_some_and(|permissions| permissions.allow(PERMISSION)))
}

/// Ends every terminal of a host that is removed, while its agent can still hear it.
///
/// # Errors
/// When the store fails.
pub async fn end_host(app: &App, tenant: TenantId, host: HostId) -> Result<(), StoreError> {
    let ending = Ending::Wanted("the host was removed");
    for session in app.store.open_sessions_of_host(tenant, host).await? {
        end(app, tenant, &By::daemon(app.clock.now()), &session, ending).await?;
    }
    // Who shows one ends it; a socket that is stuck is not waited for.
    let _ = tokio::time::timeout(FAREWELL, app.sessions.left(host)).await;
    Ok(())
}

/// Compares what an agent says that it keeps with what the store knows: what nobody owns any more
/// is ended on the agent, what the agent lost is ended in the store.
///
/// # Errors
/// When the store fails.
pub async fn reconcile(
    app: &App,
    link: &AgentLink,
    held: &[HeldSession],
) -> Result<(), StoreError> {
    let (tenant, host) = (link.peer.tenant, link.peer.host);
    let known = app.store.open_sessions_of_host(tenant, host).await?;
    let known = known.into_iter().map(|session| (tenant, session)).collect();
    let holder = Holder {
        direct: false,
        since: link.peer.since,
        // What an agent says of terminals of other hosts is not believed, only answered; and a
        // stream that carries a terminal of our own has the terminal's id.
        spared: &|id| app.sessions.is_shown(host, id) || app.keeper.holds(id),
        end: &|id| link.end_session(id),
    };
    compare(app, known, held, holder).await
}

/// The same for the keeper of the terminals that the daemon dials itself.
///
/// # Errors
/// When the store fails.
pub async fn reconcile_direct(
    app: &App,
    link: &KeeperLink,
    held: &[HeldSession],
) -> Result<(), StoreError> {
    let known = app.store.open_sessions().await?;
    let holder = Holder {
        direct: true,
        since: link.since,
        spared: &|id| app.sessions.host(id).is_some() || app.keeper.holds(id),
        end: &|id| link.end_session(id),
    };
    compare(app, known, held, holder).await
}

/// Whoever says what they hold.
struct Holder<'a> {
    direct: bool,
    since: Timestamp,
    /// What is left alone: somebody shows it, or it lives elsewhere.
    spared: &'a (dyn Fn(SessionId) -> bool + Send + Sync),
    end: &'a (dyn Fn(SessionId) + Send + Sync),
}

async fn compare(
    app: &App,
    mut known: Vec<(TenantId, Session)>,
    held: &[HeldSession],
    holder: Holder<'_>,
) -> Result<(), StoreError> {
    known.retain(|(_, session)| (session.mode == "direct") == holder.direct);
    let held: HashSet<_> = held.iter().map(|held| held.session_id).collect();
    let ids: HashSet<_> = known.iter().map(|(_, session)| session.id).collect();
    // One that is just being opened is not in the store yet.
    for id in held.difference(&ids).filter(|id| !(holder.spared)(**id)) {
        tracing::info!(session = %id, "a terminal that nobody owns is ended");
        (holder.end)(*id);
    }
    for (tenant, session) in known.iter().filter(|(_, session)| !(holder.spared)(session.id)) {
        if !held.contains(&session.id) {
            if session.started_at < holder.since {
                forget(app, *tenant, session.id, "its keeper no longer holds it").await?;
            }
        } else if !may_keep(app, *tenant, session).await? {
            tracing::info!(session = %session.id, "a terminal whose owner may not have it is ended");
            (holder.end)(session.id);
            forget(app, *tenant, session.id, Ending::Withdrawn.reason()).await?;
        }
    }
    Ok(())
}

async fn forget(
    app: &App,
    tenant: TenantId,
    session: SessionId,
    reason: &str,
) -> Result<(), StoreError> {
    let by = By::daemon(app.clock.now());
    app.store.end_session(tenant, &by, session, reason).await.map(|_| ())
}

/// Ends what nobody came back to in time.
///
/// # Errors
/// When the store fails.
pub async fn expire(app: &App) -> Result<(), StoreError> {
    let now = app.clock.now();
    for (tenant, session) in app.store.open_sessions().await? {
        if app.sessions.is_shown(session.host, session.id) {
            continue;
        }
        let Some(expires_at) = session.expires_at else {
            // Its socket ended between two words to the store.
            orphan(app, tenant, &session).await?;
            continue;
        };
        if expires_at.plus(LATE) < now {
            let ending = Ending::Wanted("nobody came back in time");
            end(app, tenant, &By::daemon(now), &session, ending).await?;
        }
    }
    Ok(())
}

/// A terminal that the store takes for shown, and nobody shows.
async fn orphan(app: &App, tenant: TenantId, session: &Session) -> Result<(), StoreError> {
    let (cols, rows) = session.size.unwrap_or((80, 24));
    let size = Size::new(cols.into(), rows.into()).unwrap_or(Size::DEFAULT);
    let expires_at = app.clock.now().plus(keep(app, tenant).await?.life());
    let left = Left { size, last_output_at: None, expires_at };
    app.store.detach_session(tenant, session.id, &left).await
}
