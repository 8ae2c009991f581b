//! Which addresses direct terminals may dial.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use gangplank_proto::error::OpenError;
use gangplank_proto::id::TenantId;
use gangplank_terminal::dial;
use ipnet::IpNet;
use tokio::time::Instant;

use crate::app::App;

/// For a name to be looked up.
const LOOKUP: Duration = Duration::from_secs(10);

impl App {
    /// The addresses of a host that a tenant's terminals may dial. Whoever dials is given these, and
    /// looks up nothing more: a name that leads elsewhere the next time changes nothing.
    ///
    /// # Errors
    /// [`OpenError`] when the host has none.
    pub async fn egress(
        &self,
        tenant: TenantId,
        host: &str,
        port: u16,
    ) -> Result<Vec<IpAddr>, OpenError> {
        let found = dial::resolve(host, port, Instant::now() + LOOKUP).await?;
        let addresses: Vec<_> = found
            .into_iter()
            .map(|address| address.ip())
            .filter(|ip| self.may_dial(tenant, *ip))
            .collect();
        if addresses.is_empty() { Err(dial::not_allowed(host)) } else { Ok(addresses) }
    }

    /// Link-local and metadata addresses never; loopback and private ones for the first tenant
    /// unless `ssh.deny` names them, for others only if `ssh.allow` does.
    fn may_dial(&self, tenant: TenantId, ip: IpAddr) -> bool {
        let ssh = &self.config().ssh;
        let named = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&ip));
        if is_never(ip) || named(&ssh.deny) {
            return false;
        }
        tenant == self.first_tenant || !is_inner(ip) || named(&ssh.allow)
    }
}

/// Link-local addresses, among which cloud metadata services answer, and their IPv6 kin.
fn is_never(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.octets()[0] == 0,
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip == METADATA,
    }
}

/// The IPv6 address at which a large cloud serves instance metadata.
const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Loopback and private addresses, and those that translate to them.
fn is_inner(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && (64..128).contains(&ip.octets()[1]);
            ip.is_loopback() || ip.is_private() || shared
        }
        IpAddr::V6(ip) => {
            let translated = ip.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
            ip.is_loopback() || ip.is_unique_local() || translated
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_their_kind() {
        for never in ["169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.1"] {
            assert!(is_never(never.parse().unwrap()), "{never}");
        }
        for inner in ["127.0.0.1", "10.1.2.3", "192.168.0.1", "100.64.0.1", "::1", "fd00::1"] {
            assert!(is_inner(inner.parse().unwrap()), "{inner}");
        }
        for outer in ["192.0.2.1", "2001:db8::1", "100.128.0.1"] {
            let ip = outer.parse().unwrap();
            assert!(!is_inner(ip) && !is_never(ip), "{outer}");
        }
    }
}
