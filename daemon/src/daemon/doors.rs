//! The listening sockets, and the certificate shown at them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gangplank_certs::{Authority, Name, Names, Reloadable, TicketKeys, server_config};
use time::OffsetDateTime;

use super::RunError;
use crate::app::Trust;
use crate::config::Config;
use crate::identity::{Door, OwnNames};
use crate::listener::{Inherited, Listener, ListenerKind, ListenerLimits, Mode, Proxies, Target};

/// Sockets that are open and don't accept yet.
pub(super) struct Doors {
    listeners: Vec<Listener>,
    doors: Vec<Door>,
    certificates: Certificates,
    authority: Option<Arc<Authority>>,
}

/// What is shown at TLS handshakes, and the keys of its tickets.
#[derive(Clone)]
pub(super) struct Certificates {
    served: Arc<Reloadable>,
    tickets: Arc<TicketKeys>,
}

impl Doors {
    /// Opens every socket of the configuration; those of the service manager take the place of
    /// configured ones of their kind.
    pub(super) fn open(
        config: &Config,
        mut inherited: Inherited,
        directory: &Path,
    ) -> Result<Self, RunError> {
        let now = OffsetDateTime::now_utc();
        let names = certificate_names(config)?;
        let (served, authority) = match &config.tls {
            Some(files) => (Reloadable::from_files(&files.cert, &files.key, now)?, None),
            None => {
                let authority = Authority::load_or_create(&directory.join("ca"), &names, now)?;
                let authority = Arc::new(authority);
                let served = Reloadable::from_authority(Arc::clone(&authority), names, now)?;
                (served, Some(authority))
            }
        };
        let tickets = TicketKeys::load_or_create(&directory.join("tls-tickets"), now)?;
        let certificates = Certificates { served: Arc::new(served), tickets: Arc::new(tickets) };
        let tls = server_config(certificates.served.clone(), certificates.tickets.clone())?;

        let mut listeners = Vec::new();
        let mut add = |configured: &[SocketAddr], name: &str, mode: &Mode| {
            let given = inherited.take(name);
            if given.is_empty() {
                for address in configured {
                    listeners.push(Listener::bind(*address, mode.clone())?);
                }
            }
            for socket in given {
                listeners.push(Listener::from_std(socket, mode.clone())?);
            }
            Ok::<_, RunError>(())
        };
        add(&config.listen.tls, "tls", &Mode::Tls(tls))?;
        if let Some(behind) = &config.listen.behind_proxy {
            let mode = Mode::BehindProxy(Proxies::new(behind.trusted.clone()));
            add(&[behind.address], "behind_proxy", &mode)?;
        }
        add(&config.listen.plain, "plain", &Mode::Plain)?;
        let mut doors: Vec<_> =
            listeners.iter().map(|l| Door { addr: l.local_addr(), kind: l.kind() }).collect();
        if doors.is_empty() {
            return Err(RunError::NoListener);
        }
        let tls_port = doors.iter().find(|door| door.kind == ListenerKind::Tls);
        let tls_port = tls_port.map_or(443, |door| door.addr.port());
        let own = OwnNames::new(&name_texts(config), &doors, &[]);
        let target = Target::new(own.hosts().map(str::to_owned).collect(), tls_port);
        let mut redirects = Vec::new();
        let given = inherited.take("redirect");
        if given.is_empty() {
            for address in &config.listen.redirect {
                redirects.push(Listener::bind(*address, Mode::Redirect(target.clone()))?);
            }
        }
        for socket in given {
            redirects.push(Listener::from_std(socket, Mode::Redirect(target.clone()))?);
        }
        doors.extend(redirects.iter().map(|l| Door { addr: l.local_addr(), kind: l.kind() }));
        listeners.extend(redirects);
        for name in inherited.names() {
            tracing::warn!(%name, "a socket of the service manager has a name that nobody knows");
        }
        Ok(Self { listeners, doors, certificates, authority })
    }

    /// The sockets by what matters for names.
    pub(super) fn list(&self) -> Vec<Door> {
        self.doors.clone()
    }

    /// What people need to trust the own authority.
    pub(super) fn trust(&self) -> Option<Trust> {
        self.authority.as_ref().map(|authority| Trust {
            ca_pem: authority.pem().to_owned(),
            fingerprint: authority.fingerprint().to_string(),
        })
    }

    /// Where the own authority's certificate lies.
    pub(super) fn ca_path(&self) -> Option<PathBuf> {
        self.authority.as_ref().map(|authority| authority.pem_path())
    }

    /// Where the console is, for a person on this machine.
    pub(super) fn url(&self, config: &Config) -> String {
        if let Some(url) = &config.server.public_url {
            return url.clone();
        }
        let tls = self.doors.iter().find(|door| door.kind == ListenerKind::Tls);
        let Some(door) = tls.or(self.doors.first()) else { return String::new() };
        let scheme = if door.kind == ListenerKind::Plain { "http" } else { "https" };
        let name = match config.server.names.first() {
            Some(Name::Dns(name)) => name.clone(),
            Some(Name::Ip(ip)) => bracketed(*ip),
            None if door.addr.ip().is_loopback() || door.addr.ip().is_unspecified() => {
                "localhost".to_owned()
            }
            None => bracketed(door.addr.ip()),
        };
        match door.addr.port() {
            443 => format!("{scheme}://{name}"),
            port => format!("{scheme}://{name}:{port}"),
        }
    }

    /// What is left when the sockets begin to accept.
    pub(super) fn split(self) -> (Certificates, Vec<Listener>) {
        (self.certificates, self.listeners)
    }
}

impl Certificates {
    /// Looks whether files changed or the own leaf is due; to be called every few seconds, off the
    /// async threads.
    pub(super) fn check(&self) {
        let now = OffsetDateTime::now_utc();
        match self.served.check(now) {
            Ok(gangplank_certs::Changed::Yes) => tracing::info!("a new certificate is served"),
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "the new certificate is no good; the old one is kept")
            }
        }
        if let Err(error) = self.tickets.rotate(now) {
            tracing::error!(%error, "the keys of TLS tickets could not be kept");
        }
    }

    /// Loads the files again, or takes other names into the own certificate.
    pub(super) fn reload(&self, config: &Config) {
        let now = OffsetDateTime::now_utc();
        let changed = match certificate_names(config) {
            Ok(names) if config.tls.is_none() => self.served.rename(names, now),
            _ => self.served.reload(now),
        };
        if let Err(error) = changed {
            tracing::error!(%error, "the new certificate is no good; the old one is kept");
        }
    }
}

/// What bounds connections before anybody is known.
pub(super) fn limits(config: &Config) -> ListenerLimits {
    let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    let defaults = ListenerLimits::default();
    ListenerLimits {
        establish: config.limits.establish,
        pending_per_ip: size(config.limits.pending_per_ip),
        connections: size(config.limits.connections),
        ..defaults
    }
}

fn name_texts(config: &Config) -> Vec<String> {
    config.server.names.iter().map(ToString::to_string).collect()
}

/// The names in the own certificate: the configured ones, this machine's, and the loopback's.
fn certificate_names(config: &Config) -> Result<Names, RunError> {
    let mut names = name_texts(config);
    for address in &config.listen.tls {
        if !address.ip().is_unspecified() && !address.ip().is_loopback() {
            names.push(address.ip().to_string());
        }
    }
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    Ok(Names::parse(names)?)
}

fn bracketed(ip: std::net::IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}
