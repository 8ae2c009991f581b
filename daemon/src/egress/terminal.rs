//! Which addresses direct terminals may dial.

use std::net::IpAddr;
use std::time::Duration;

use gangplank_proto::error::OpenError;
use gangplank_proto::id::TenantId;
use gangplank_terminal::dial;
use ipnet::IpNet;
use tokio::time::Instant;

use super::address::{is_inner, is_never};
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
