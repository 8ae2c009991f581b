//! From what a page asks for to a channel: the way, the target, the trust, the credential. The
//! target comes from the host's row, never from the page, except for `proxy_host` and
//! `proxy_port`, which the agent's own policy must allow.

use std::net::IpAddr;
use std::sync::Arc;

use gangplank_proto::error::{ErrorCode, HostKey, OpenError};
use gangplank_proto::id::{ConnectionId, HostId, SessionId};
use gangplank_proto::limit;
use gangplank_proto::link::{Credential, Keep, Open, PtyRequest, Size, ToTerminal, Trust};
use gangplank_proto::terminal::{Connect, ConnectionMode, HostKeyState};
use gangplank_terminal::channel::Channel;
use gangplank_terminal::input_log::InputLog;
use gangplank_terminal::ssh::host_key;
use gangplank_terminal::ssh::key::UserKey;

use crate::app::App;
use crate::auth::Principal;
use crate::link::{AgentLink, LegacyKey, Vocabulary};
use crate::store::{Host, HostKeySource, HostState, StoreError};

/// A channel that was asked for, and what is known of it.
#[derive(Debug)]
pub struct Opening {
    /// The terminal's id.
    pub session_id: SessionId,
    /// The channel.
    pub channel: Channel,
    /// The host's name now.
    pub host_name: String,
    /// The way.
    pub mode: ConnectionMode,
    /// Login name; empty for an agent's own user.
    pub username: String,
    /// The link that carries it out of this process.
    pub link: Option<ConnectionId>,
    /// The host that it goes through.
    pub gateway: Option<HostId>,
    /// `host:port` of an SSH target.
    target: Option<String>,
    /// Keys known for that target.
    known: Vec<(String, HostKeyState)>,
    /// Fingerprint that the person accepts.
    accepted: Option<String>,
    /// Whether nobody checks the host's key.
    unverified: bool,
    /// The person's private key.
    pub key: Option<Arc<UserKey>>,
    /// Its size.
    pub size: Size,
    /// What the person typed ahead.
    pub typed: InputLog,
}

/// Where SSH is to go and how its server is known.
struct Target {
    host: String,
    port: u16,
    /// The only addresses that are dialled, where we decide that.
    addresses: Option<Vec<IpAddr>>,
    name: String,
    known: Vec<(String, HostKeyState)>,
}

/// Opens what a page asks for.
///
/// # Errors
/// [`OpenError`] with a text that says what to do.
pub async fn open(
    app: &Arc<App>,
    who: &Principal,
    host: HostId,
    connect: Connect,
    interactive: bool,
) -> Result<Opening, OpenError> {
    let host = app.store.host(who.tenant, host).await.map_err(unopened)?;
    let Some(host) = host else {
        return Err(OpenError::new(ErrorCode::NotAllowed, "this host was removed"));
    };
    if host.state == HostState::Pending {
        let message = "this host waits until somebody accepts it on its page";
        return Err(OpenError::new(ErrorCode::NotAllowed, message));
    }
    app.store.look_for_room_for_terminal(who.tenant).await.map_err(unopened)?;
    let keep = super::life::keep(app, who.tenant).await.map_err(unopened)?;
    let wanted = Wanted { session_id: SessionId::new(), pty: pty(&connect)?, keep, interactive };
    match connect.connection_mode {
        ConnectionMode::Direct => direct(app, host, connect, wanted).await,
        ConnectionMode::Proxy => proxy(app, host, connect, wanted).await,
        ConnectionMode::Pty => on_agent(app, &host, &connect, wanted),
    }
}

/// What the store says about a terminal that is not opened.
fn unopened(error: StoreError) -> OpenError {
    if let StoreError::Refused(message) = error {
        return OpenError::new(ErrorCode::NotAllowed, message);
    }
    tracing::error!(%error, "the store failed");
    OpenError::new(ErrorCode::Internal, "the store can't be reached right now")
}

/// What every way of opening needs.
struct Wanted {
    session_id: SessionId,
    pty: PtyRequest,
    keep: Keep,
    /// Whether a person can answer questions.
    interactive: bool,
}

async fn direct(
    app: &Arc<App>,
    host: Host,
    connect: Connect,
    wanted: Wanted,
) -> Result<Opening, OpenError> {
    let Wanted { session_id, pty, keep, interactive } = wanted;
    let size = pty.size;
    let Some(address) = host.address.clone() else {
        let message = "this host has no address; give it one on its page, or go through its agent";
        return Err(OpenError::new(ErrorCode::Unreachable, message));
    };
    let own_sshd = host.ssh_ports.contains(&host.port);
    let mut target = target(app, &host, address, host.port, own_sshd).await?;
    let username = ssh_username(&connect)?;
    let key = user_key(&connect).await?;
    if host.gateway.is_none() {
        target.addresses = Some(app.egress(host.tenant, &target.host, target.port).await?);
    }
    let open = ssh(&target, &username, &connect, key.as_deref(), pty, interactive);
    let window = window(app);
    let (channel, link) = match host.gateway {
        None => app.keeper.open(session_id, open, keep, window)?,
        Some(gateway) => {
            let gateway = super::gateway::gateway(app, host.tenant, gateway).await?;
            (app.keeper.open_through(gateway, session_id, open, keep, window), None)
        }
    };
    Ok(Opening {
        session_id,
        channel,
        host_name: host.friendly_name,
        mode: ConnectionMode::Direct,
        link,
        gateway: host.gateway,
        username,
        target: Some(target.name),
        known: target.known,
        accepted: connect.accept_host_key,
        unverified: false,
        key,
        size,
        typed: InputLog::default(),
    })
}

async fn proxy(
    app: &Arc<App>,
    host: Host,
    connect: Connect,
    wanted: Wanted,
) -> Result<Opening, OpenError> {
    let Wanted { session_id, pty, keep, interactive } = wanted;
    let size = pty.size;
    let link = agent(app, host.id)?;
    let name = connect.proxy_host.clone().filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| "localhost".to_owned());
    if !is_host_name(&name) {
        let message = "proxy_host is not a host name or an address";
        return Err(OpenError::new(ErrorCode::BadRequest, message));
    }
    let port = u16::try_from(connect.proxy_port.unwrap_or(22)).ok().filter(|port| *port > 0);
    let Some(port) = port else {
        let message = "proxy_port is not a port; it must be 1 to 65535";
        return Err(OpenError::new(ErrorCode::BadRequest, message));
    };
    let here = matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1");
    let own_sshd = here && host.ssh_ports.contains(&port);
    let username = ssh_username(&connect)?;
    let unverified = link.peer.vocabulary == Vocabulary::PatchMon;
    if unverified && !app.config().ssh.allow_unverified {
        let message = "this host's agent checks no host keys, and ssh.allow_unverified is off";
        return Err(OpenError::new(ErrorCode::NotAllowed, message));
    }
    let target = target(app, &host, name, port, own_sshd).await?;
    let (key, legacy_key) = match (&connect.private_key, unverified) {
        (Some(private_key), true) => {
            let (private_key, passphrase) = (private_key.clone(), connect.passphrase.clone());
            (None, Some(LegacyKey { private_key, passphrase }))
        }
        _ => (user_key(&connect).await?, None),
    };
    let open = ssh(&target, &username, &connect, key.as_deref(), pty, interactive && !unverified);
    let window = window(app);
    let first = ToTerminal::Connect { session_id, window, open, keep };
    let channel = link.channel(first, window, legacy_key)?;
    Ok(Opening {
        session_id,
        channel,
        host_name: host.friendly_name,
        mode: ConnectionMode::Proxy,
        link: Some(link.id),
        gateway: None,
        username,
        target: Some(target.name),
        known: target.known,
        accepted: connect.accept_host_key,
        unverified,
        key,
        size,
        typed: InputLog::default(),
    })
}

fn on_agent(
    app: &Arc<App>,
    host: &Host,
    connect: &Connect,
    wanted: Wanted,
) -> Result<Opening, OpenError> {
    let Wanted { session_id, pty, keep, .. } = wanted;
    let size = pty.size;
    let link = agent(app, host.id)?;
    if link.peer.vocabulary == Vocabulary::PatchMon {
        let message = "this host's agent has no terminals of its own; use proxy mode";
        return Err(OpenError::new(ErrorCode::NotAllowed, message));
    }
    let username = connect.username.clone().filter(|name| !name.is_empty());
    if let Some(username) = &username {
        check_username(username)?;
    }
    let open = Open::Pty { username: username.clone(), pty };
    let window = window(app);
    let first = ToTerminal::Connect { session_id, window, open, keep };
    Ok(Opening {
        session_id,
        channel: link.channel(first, window, None)?,
        host_name: host.friendly_name.clone(),
        mode: ConnectionMode::Pty,
        link: Some(link.id),
        gateway: None,
        username: username.unwrap_or_else(|| host.facts.run_as.as_str().to_owned()),
        target: None,
        known: Vec::new(),
        accepted: None,
        unverified: false,
        key: None,
        size,
        typed: InputLog::default(),
    })
}

impl Opening {
    /// What the page is told of the host's key, and the key to pin for a target when it was
    /// accepted just now. Whoever dialled has checked the key; the agent that says so may lie, so
    /// it is held against what is known and accepted once more.
    ///
    /// # Errors
    /// [`ErrorCode::HostKeyChanged`] for a key that is neither.
    pub fn host_key(
        &self,
        shown: Option<&HostKey>,
    ) -> Result<(HostKeyState, Option<(HostKey, String)>), OpenError> {
        let Some(target) = &self.target else { return Ok((HostKeyState::None, None)) };
        if self.unverified {
            return Ok((HostKeyState::Unverified, None));
        }
        let real = shown.and_then(|key| host_key::fingerprint(&key.line));
        let Some(real) = real else {
            let message = "the host's key was not shown, so it could not be checked";
            return Err(OpenError::new(ErrorCode::HostKeyChanged, message));
        };
        if let Some((_, state)) = self.known.iter().find(|(line, _)| *line == real.line) {
            return Ok((*state, None));
        }
        if self.known.is_empty() && self.accepted.as_ref() == Some(&real.fingerprint) {
            return Ok((HostKeyState::Accepted, Some((real, target.clone()))));
        }
        let message = "the host shows another key than the known ones; nothing was opened";
        let mut error = OpenError::new(ErrorCode::HostKeyChanged, message);
        error.host_key = Some(real);
        Err(error)
    }
}

/// Output that may be on its way to a page.
pub(super) fn window(app: &App) -> u32 {
    u32::try_from(app.config().limits.terminal_window).unwrap_or(limit::TERMINAL_WINDOW)
}

pub(super) fn agent(app: &App, host: HostId) -> Result<Arc<AgentLink>, OpenError> {
    app.registry.of_host(host).ok_or_else(|| {
        let message = "this host's agent is not connected; check it with 'gangplank-agent ping'";
        OpenError::new(ErrorCode::AgentOffline, message)
    })
}

async fn target(
    app: &App,
    host: &Host,
    name: String,
    port: u16,
    own_sshd: bool,
) -> Result<Target, OpenError> {
    let keys = app.store.host_keys(host.tenant, host.id).await.map_err(unopened)?;
    let address =
        if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") };
    let known = keys.into_iter().filter_map(|key| match key.source {
        HostKeySource::Attested if own_sshd => Some((key.openssh, HostKeyState::Attested)),
        HostKeySource::Accepted if key.target.as_deref() == Some(address.as_str()) => {
            Some((key.openssh, HostKeyState::Pinned))
        }
        _ => None,
    });
    Ok(Target { known: known.collect(), host: name, port, addresses: None, name: address })
}

fn ssh(
    target: &Target,
    username: &str,
    connect: &Connect,
    key: Option<&UserKey>,
    pty: PtyRequest,
    interactive: bool,
) -> Open {
    Open::Ssh {
        host: target.host.clone(),
        port: target.port,
        addresses: target.addresses.clone(),
        username: username.to_owned(),
        trust: Trust {
            keys: target.known.iter().map(|(line, _)| line.clone()).collect(),
            accepted: connect.accept_host_key.clone(),
        },
        credential: Credential {
            password: connect.password.clone(),
            public_key: key.and_then(|key| key.public_line().ok()),
            interactive,
        },
        pty,
    }
}

/// Reads the person's key off the async threads: an encrypted one is slow on purpose.
async fn user_key(connect: &Connect) -> Result<Option<Arc<UserKey>>, OpenError> {
    let Some(text) = connect.private_key.clone().filter(|key| !key.expose().trim().is_empty())
    else {
        return Ok(None);
    };
    let passphrase = connect.passphrase.clone().filter(|phrase| !phrase.expose().is_empty());
    let parsed = tokio::task::spawn_blocking(move || UserKey::parse(&text, passphrase.as_ref()));
    match parsed.await {
        Ok(Ok(key)) => Ok(Some(Arc::new(key))),
        Ok(Err(error)) => Err(OpenError::new(ErrorCode::BadRequest, error.to_string())),
        Err(_) => Err(OpenError::new(ErrorCode::Internal, "the key could not be read")),
    }
}

fn pty(connect: &Connect) -> Result<PtyRequest, OpenError> {
    let bad = |message: String| OpenError::new(ErrorCode::BadRequest, message);
    let size = Size::new(connect.cols.unwrap_or(80), connect.rows.unwrap_or(24));
    let size = size.map_err(|error| bad(error.to_string()))?;
    let term = connect.terminal.clone().filter(|term| !term.is_empty());
    let term = term.unwrap_or_else(|| "xterm-256color".to_owned());
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    if term.len() > 64 || !term.chars().all(allowed) {
        return Err(bad("terminal is not the name of a terminal type".to_owned()));
    }
    Ok(PtyRequest { term, size })
}

fn ssh_username(connect: &Connect) -> Result<String, OpenError> {
    let username = connect.username.clone().filter(|name| !name.is_empty());
    let username = username.unwrap_or_else(|| "root".to_owned());
    check_username(&username)?;
    Ok(username)
}

fn check_username(username: &str) -> Result<(), OpenError> {
    let unfit = |c: char| c.is_control() || c.is_whitespace();
    if username.len() > 255 || username.starts_with('-') || username.chars().any(unfit) {
        let message = "username is not a login name: no spaces, control characters or leading '-'";
        return Err(OpenError::new(ErrorCode::BadRequest, message));
    }
    Ok(())
}

/// A host name of letters, digits, hyphens, underscores and dots, or an IP address.
fn is_host_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.parse::<std::net::IpAddr>().is_ok()
        || (name.len() <= 253 && !name.starts_with('-') && name.chars().all(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_user_names_can_not_smuggle() {
        for fit in ["localhost", "web-1.example.com", "10.0.0.1", "::1", "a_b"] {
            assert!(is_host_name(fit), "{fit}");
        }
        for unfit in ["-oProxyCommand=x", "a b", "a;b", "a\n", "[::1]", "a/b"] {
            assert!(!is_host_name(unfit), "{unfit}");
        }
        for unfit in ["-oProxyCommand=x", "a\nb", "a b", &"x".repeat(256)] {
            assert!(check_username(unfit).is_err(), "{unfit}");
        }
        assert!(check_username("DOMAIN\\alice").is_ok());
    }
}
