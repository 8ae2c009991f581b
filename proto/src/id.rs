//! Identifiers as types, so that a host's id can never stand where a tenant's is due.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not an identifier of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text is not a UUID.
    #[error("not a UUID")]
    NotUuid,
    /// An API id must be 1 to 128 characters out of letters, digits, `_`, `-` and `.`.
    #[error("an API id has 1 to 128 characters out of letters, digits, '_', '-' and '.'")]
    NotApiId,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id: UUID version 7, so that rows made later sort later.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "a default id would be random")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id as the UUID that it is.
            #[must_use]
            pub fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Reads the hyphenated lowercase or uppercase form and no other.
            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.len() != 36 {
                    return Err(IdError::NotUuid);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| IdError::NotUuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id!(
    /// A tenant: the wall between customers. A parameter of every query.
    TenantId
);
uuid_id!(
    /// A person who logs in.
    UserId
);
uuid_id!(
    /// A host of the fleet.
    HostId
);
uuid_id!(
    /// A terminal's life as people see it, from the first `connect` to its end.
    SessionId
);
uuid_id!(
    /// A command to one host, from its order to its outcome.
    JobId
);
uuid_id!(
    /// One command to many hosts: their jobs together.
    BatchId
);
uuid_id!(
    /// What a compliance scanner found on a host, once.
    ScanId
);
uuid_id!(
    /// An order for compliance scans that comes again and again.
    ScheduleId
);
uuid_id!(
    /// A request for the consent of a second person.
    ApprovalId
);
uuid_id!(
    /// What says which requests need such consent.
    PolicyId
);
uuid_id!(
    /// A receiver of events outside.
    WebhookId
);
uuid_id!(
    /// One event on its way to one receiver.
    DeliveryId
);
uuid_id!(
    /// One login of one user (a cookie or a token); logging out ends it.
    LoginId
);

/// The public half of an agent's credential. Ours are `gp_` and 16 hex digits; imported ones stay
/// as they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApiId(String);

impl ApiId {
    /// Makes an id of our own form from 8 random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; 8]) -> Self {
        Self(format!("gp_{:016x}", u64::from_be_bytes(bytes)))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ApiId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if text.is_empty() || text.len() > 128 || !text.chars().all(allowed) {
            return Err(IdError::NotApiId);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ApiId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<ApiId> for String {
    fn from(id: ApiId) -> Self {
        id.0
    }
}

impl fmt::Display for ApiId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One channel within one agent link. The daemon counts them up from 1; 0 is never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelId(pub u32);

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One accepted connection of this process. A late goodbye of an old connection compares this
/// number, and so can't remove its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ids_take_one_form_only() {
        let id = HostId::new();
        assert_eq!(id.to_string().parse::<HostId>().unwrap(), id);
        let braced = format!("{{{id}}}");
        for wrong in ["", "x", braced.as_str(), &id.uuid().simple().to_string()] {
            assert_eq!(wrong.parse::<HostId>(), Err(IdError::NotUuid));
        }
    }

    #[test]
    fn api_ids_are_plain_words() {
        assert_eq!(ApiId::from_random([0, 0, 0, 0, 0, 0, 0, 255]).as_str(), "gp_00000000000000ff");
        assert!("patchmon_0123456789abcdef".parse::<ApiId>().is_ok());
        for wrong in ["", "a b", "a\n", "ä", &"a".repeat(129)] {
            assert_eq!(wrong.parse::<ApiId>(), Err(IdError::NotApiId));
        }
    }
}
