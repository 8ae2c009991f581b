//! What a person may do, and the roles that bundle it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One right. Routes and topics name the one they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Permission {
    /// All of the others within the tenant.
    Admin,
    /// Add, change and remove hosts; open terminals; make enrolment tokens.
    CanManageHosts,
    /// See hosts and their presence.
    HostsRead,
    /// Security channel.
    WsSecurity,
    /// VPN channel.
    WsVpn,
    /// Alerts channel.
    WsAlerts,
    /// Acknowledge, close and reopen alerts.
    AlertsManage,
    /// Agent thoughts channel.
    WsAgentThoughts,
    /// Decide on approvals.
    ApprovalsManage,
    /// Investigation receipts channel.
    CasesRead,
    /// See jobs.
    JobsRead,
    /// Give hosts commands, as far as their own policies allow.
    JobsRun,
    /// See what compliance scans found.
    ComplianceRead,
    /// Publish into channels.
    ChannelsPublish,
    /// Read the audit.
    AuditRead,
    /// Add, change and disable users, and roles; see and revoke their API tokens.
    UsersManage,
    /// By an API token: make and revoke API tokens of its user.
    TokensManage,
    /// Make, suspend and delete tenants, and see their names and counts; nothing in them. No other
    /// right implies this one.
    TenantsManage,
}

impl Permission {
    /// Every right.
    pub const ALL: [Self; 18] = [
        Self::Admin,
        Self::CanManageHosts,
        Self::HostsRead,
        Self::WsSecurity,
        Self::WsVpn,
        Self::WsAlerts,
        Self::AlertsManage,
        Self::WsAgentThoughts,
        Self::ApprovalsManage,
        Self::CasesRead,
        Self::JobsRead,
        Self::JobsRun,
        Self::ComplianceRead,
        Self::ChannelsPublish,
        Self::AuditRead,
        Self::UsersManage,
        Self::TokensManage,
        Self::TenantsManage,
    ];

    /// Its name in the API, in the store and in tokens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::CanManageHosts => "can_manage_hosts",
            Self::HostsRead => "hosts:read",
            Self::WsSecurity => "ws:security",
            Self::WsVpn => "ws:vpn",
            Self::WsAlerts => "ws:alerts",
            Self::AlertsManage => "alerts:manage",
            Self::WsAgentThoughts => "ws:agent_thoughts",
            Self::ApprovalsManage => "approvals:manage",
            Self::CasesRead => "cases:read",
            Self::JobsRead => "jobs:read",
            Self::JobsRun => "jobs:run",
            Self::ComplianceRead => "compliance:read",
            Self::ChannelsPublish => "channels:publish",
            Self::AuditRead => "audit:read",
            Self::UsersManage => "users:manage",
            Self::TokensManage => "tokens:manage",
            Self::TenantsManage => "tenants:manage",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such permission")]
pub struct UnknownPermission;

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(name: &str) -> Result<Self, UnknownPermission> {
        Self::ALL.into_iter().find(|known| known.as_str() == name).ok_or(UnknownPermission)
    }
}

impl TryFrom<String> for Permission {
    type Error = UnknownPermission;

    fn try_from(name: String) -> Result<Self, UnknownPermission> {
        name.parse()
    }
}

impl From<Permission> for String {
    fn from(permission: Permission) -> Self {
        permission.as_str().to_owned()
    }
}

/// The rights of one person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Permissions(BTreeSet<Permission>);

impl Permissions {
    /// Whether they include this one, or another that implies it.
    #[must_use]
    pub fn allow(&self, wanted: Permission) -> bool {
        let has = |permission| self.0.contains(&permission);
        // Who opens terminals on a host can do there what a command does, and more.
        let implied = match wanted {
            Permission::JobsRun | Permission::ComplianceRead => has(Permission::CanManageHosts),
            Permission::JobsRead => has(Permission::CanManageHosts) || has(Permission::JobsRun),
            Permission::WsAlerts => has(Permission::AlertsManage),
            _ => false,
        };
        let within = wanted != Permission::TenantsManage;
        has(wanted) || implied || (within && has(Permission::Admin))
    }

    /// What is left of `wanted` for somebody with these.
    #[must_use]
    pub fn limit(&self, wanted: &[Permission]) -> Self {
        wanted.iter().copied().filter(|permission| self.allow(*permission)).collect()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().collect())
    }
}

/// The role of those who look after tenants; only the first tenant has it.
pub const PLATFORM_ROLE: (&str, &[Permission]) = ("platform", &[Permission::TenantsManage]);

/// The roles that every tenant has. They are made, and kept as they are here, at every start.
pub const BUILT_IN_ROLES: [(&str, &[Permission]); 4] = [
    ("admin", &[Permission::Admin]),
    (
        "operator",
        &[
            Permission::CanManageHosts,
            Permission::HostsRead,
            Permission::JobsRead,
            Permission::JobsRun,
            Permission::ComplianceRead,
            Permission::WsAlerts,
            Permission::AlertsManage,
            Permission::WsSecurity,
            Permission::WsVpn,
        ],
    ),
    // Who decides sees what is asked for, and to which host; nothing that could be asked for.
    ("approver", &[Permission::ApprovalsManage, Permission::HostsRead]),
    ("viewer", &[Permission::HostsRead]),
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_admin_is_all() {
        let admin = Permissions::from_iter([Permission::Admin]);
        let viewer = Permissions::from_iter([Permission::HostsRead]);
        for permission in Permission::ALL {
            assert_eq!(permission.as_str().parse::<Permission>().unwrap(), permission);
            let above = permission == Permission::TenantsManage;
            assert_eq!(admin.allow(permission), !above, "an administrator of a tenant is no more");
            assert_eq!(viewer.allow(permission), permission == Permission::HostsRead);
        }
        let operator = Permissions::from_iter([Permission::CanManageHosts]);
        assert!(operator.allow(Permission::JobsRun) && operator.allow(Permission::JobsRead));
        assert!(operator.allow(Permission::ComplianceRead));
        let runner = Permissions::from_iter([Permission::JobsRun]);
        assert!(runner.allow(Permission::JobsRead) && !runner.allow(Permission::CanManageHosts));
        assert_eq!("root".parse::<Permission>(), Err(UnknownPermission));
    }
}
