//! Administration of this machine's daemon: one set of requests and one function that does them,
//! whether they come in by the [socket] of a running daemon or are done on the store by the
//! command line itself.

use std::path::PathBuf;
use std::time::Duration;

use gangplank_proto::secret::Secret;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::auth::Username;
use crate::clock::Timestamp;
use crate::fleet;
use crate::import::{Import, Summary};

mod execute;
pub mod socket;

pub use execute::{Admin, Live};

/// What is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Request {
    /// Whether the daemon works.
    Check,
    /// What the daemon is doing.
    Status,
    /// Examine the store.
    Doctor,
    /// Make a user.
    UserAdd {
        /// Their name.
        username: Username,
        /// Their password.
        password: Secret,
        /// Their roles.
        roles: Vec<String>,
    },
    /// Give a user another password; their logins end.
    UserPasswd {
        /// Who.
        username: Username,
        /// Their new password.
        password: Secret,
    },
    /// Lock a user out, or let them in again.
    UserDisable {
        /// Who.
        username: Username,
        /// Out, or in.
        disabled: bool,
    },
    /// List users.
    UserList,
    /// Make sure that a user can log in as an administrator, with a new random password.
    RecoverAccess {
        /// Who; made when there is no such user.
        username: Username,
    },
    /// Make a host.
    HostAdd {
        /// Its name.
        friendly_name: String,
        /// Its address.
        address: Option<String>,
        /// Its port.
        port: Option<u16>,
        /// The id or name of its gateway.
        gateway: Option<String>,
        /// Its labels.
        labels: Vec<String>,
    },
    /// List hosts.
    HostList,
    /// Remove a host.
    HostRemove {
        /// Its id or name.
        host: String,
    },
    /// Make a provisioning key.
    TokenCreate {
        /// How many hosts it brings in.
        uses: u32,
        /// How long it lives, in seconds.
        life: u64,
        /// Whether those hosts wait for a person's consent.
        approve: bool,
        /// Whether those hosts are forgotten when their agents stay away.
        ephemeral: bool,
        /// Labels that those hosts get.
        labels: Vec<String>,
        /// Networks from which it may be used; none means everywhere.
        networks: Vec<IpNet>,
    },
    /// Bring hosts and users in from another server.
    Import {
        /// Which.
        import: Import,
        /// Only say what would be done.
        dry_run: bool,
    },
    /// Copy the database into the data directory.
    Backup,
    /// Do something in another tenant than the first.
    Within {
        /// Its id or name.
        tenant: String,
        /// What.
        wanted: Box<Request>,
    },
    /// Make a tenant.
    TenantAdd {
        /// Its name.
        name: String,
    },
    /// List tenants.
    TenantList,
    /// Lock a tenant out, or let it in again.
    TenantActive {
        /// Its id or name.
        tenant: String,
        /// In, or out.
        active: bool,
    },
    /// Delete a tenant with all that it has.
    TenantRemove {
        /// Its id or name.
        tenant: String,
    },
}

/// What became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Response {
    /// Done, and there is nothing to tell.
    Done,
    /// What the daemon is doing.
    Status(Status),
    /// What was found.
    Findings {
        /// In the order in which it was looked for.
        findings: Vec<Finding>,
    },
    /// Users.
    Users {
        /// All of them.
        items: Vec<UserLine>,
    },
    /// Hosts.
    Hosts {
        /// All of them.
        items: Vec<HostLine>,
    },
    /// Tenants.
    Tenants {
        /// All of them.
        items: Vec<TenantLine>,
    },
    /// A new host, with its credential.
    Host(NewHostLine),
    /// A new provisioning key.
    Token(TokenLine),
    /// Somebody's new password.
    Password {
        /// Whose.
        username: String,
        /// The password.
        password: Secret,
    },
    /// What was brought in.
    Imported(Summary),
    /// A copy of the database, for the asker to move.
    Backup {
        /// Where it lies.
        file: PathBuf,
    },
    /// Not done, and why.
    Failed {
        /// For people.
        message: String,
    },
}

/// What a running daemon is doing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// What only a running daemon knows.
    #[serde(flatten)]
    pub live: Option<Live>,
}

/// One thing that was examined.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    /// What was examined.
    pub check: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// One fix, when it isn't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    /// Something that is as it should be.
    #[must_use]
    pub fn good(check: &str, detail: impl Into<String>) -> Self {
        Self { check: check.to_owned(), ok: true, detail: detail.into(), fix: None }
    }

    /// Something that isn't.
    #[must_use]
    pub fn bad(check: &str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check: check.to_owned(), ok: false, detail: detail.into(), fix: Some(fix.into()) }
    }
}

/// A user in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserLine {
    /// Their id.
    pub id: String,
    /// Their name.
    pub username: String,
    /// Whether they are locked out.
    pub disabled: bool,
    /// Their roles.
    pub roles: Vec<String>,
    /// When they last logged in.
    pub last_login_at: Option<Timestamp>,
}

/// A tenant in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TenantLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether its people and agents are let in.
    pub active: bool,
    /// Its hosts.
    pub hosts: u64,
    /// Its users.
    pub users: u64,
}

/// A host in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HostLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub friendly_name: String,
    /// The public half of its credential.
    pub api_id: String,
    /// Its address.
    pub address: Option<String>,
    /// Its port.
    pub port: u16,
    /// Its labels.
    pub labels: Vec<String>,
    /// Its presence.
    pub status: fleet::Status,
    /// When its agent was last heard of.
    pub last_seen_at: Option<Timestamp>,
}

/// A new host, as `POST /hosts` answers it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewHostLine {
    /// Its id.
    pub id: String,
    /// The public half of its credential.
    pub api_id: String,
    /// The secret half, shown once.
    pub api_key: Secret,
}

/// A new provisioning key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenLine {
    /// The key, shown once.
    pub token: Secret,
    /// Until when it can be used.
    pub expires_at: Timestamp,
}

/// How long a request may take, the slowest (a copy of a large database) included.
pub const LONGEST_REQUEST: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
