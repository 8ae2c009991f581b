//! Who is asking.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use gangplank_proto::id::{ApiId, HostId, LoginId, TenantId, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::permission::{Permission, Permissions};
use crate::audit::{Actor, By};
use crate::clock::Timestamp;
use crate::store::HostState;

/// The user whom a person logs in as. They have it in one tenant only; in others they are a user of
/// another id, with the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The account's tenant.
    pub tenant: TenantId,
    /// The account.
    pub user: UserId,
}

/// A person who has proved who they are, with what they may do at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Whose data they may see.
    pub tenant: TenantId,
    /// That tenant's name.
    pub tenant_name: String,
    /// Who they are.
    pub user: UserId,
    /// Whom they log in as, which is the same user in their own tenant.
    pub account: Account,
    /// Their name.
    pub username: String,
    /// The login by which they are here; its end ends what hangs on it.
    pub login: LoginId,
    /// Whether they may do nothing yet but enrol a second factor, because their tenant wants one.
    pub must_enrol: bool,
    /// Their roles, sorted.
    pub roles: Vec<String>,
    /// What the roles allow.
    pub permissions: Permissions,
    /// The API token by which they are here: a program of theirs, which may do less than they.
    pub api_token: Option<Uuid>,
}

impl Principal {
    /// Whether they have a right.
    #[must_use]
    pub fn may(&self, wanted: Permission) -> bool {
        self.permissions.allow(wanted)
    }

    /// Whether they have all of these rights: nobody gives what they don't have.
    #[must_use]
    pub fn has_all(&self, permissions: &[Permission]) -> bool {
        permissions.iter().all(|permission| self.may(*permission))
    }

    /// Them as the doer of something, for the audit.
    #[must_use]
    pub fn by(&self, source: Option<IpAddr>, at: Timestamp) -> By {
        By { actor: Actor::User(self.username.clone()), source, at }
    }
}

/// An agent that has proved which host it speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentIdentity {
    /// Whose host it is.
    pub tenant: TenantId,
    /// The host.
    pub host: HostId,
    /// The public half of its credential.
    pub api_id: ApiId,
    /// Whether a person has let it in.
    pub state: HostState,
}

/// A name to log in with: 1 to 64 characters out of ASCII letters, digits and `. _ @ + -`, and not
/// a hyphen first. Upper and lower case make no difference when names are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Username(String);

impl Username {
    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it is compared.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// The text can't be a username.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a username has 1 to 64 characters out of letters, digits and . _ @ + -, no hyphen first")]
pub struct UsernameError;

impl FromStr for Username {
    type Err = UsernameError;

    fn from_str(text: &str) -> Result<Self, UsernameError> {
        let allowed =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@' | '+' | '-');
        if text.is_empty() || text.len() > 64 || text.starts_with('-') || !text.chars().all(allowed)
        {
            return Err(UsernameError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Username {
    type Error = UsernameError;

    fn try_from(text: String) -> Result<Self, UsernameError> {
        text.parse()
    }
}

impl From<Username> for String {
    fn from(name: Username) -> Self {
        name.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn usernames_are_plain_words() {
        assert_eq!("Alice@Example.com".parse::<Username>().unwrap().key(), "alice@example.com");
        for wrong in ["", "-x", "a b", "a\n", "ä", &"a".repeat(65)] {
            assert_eq!(wrong.parse::<Username>(), Err(UsernameError));
        }
    }
}
