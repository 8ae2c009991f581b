//! Consent of a second person: what is asked for, bound to exactly that; who needs to ask, by
//! policy; and the task that ends requests whose time is over.

mod asker;
mod hours;
mod policy;
mod wait;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::id::{TenantId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::audit::seal;
use crate::clock::Timestamp;
use crate::job;
use crate::store::StoreError;

pub use asker::Asker;
pub use hours::{Hours, HoursError};
pub use policy::{Act, Need, NewPolicy, Policy, need};
pub use wait::{Wait, no_longer_wanted, why_not};

/// The action of a request for a command to one host: its object is `host:ID`, its payload the
/// command and its params.
pub const COMMAND: &str = "command";

/// The action of a request for a command to many hosts.
pub const BATCH: &str = "batch";

/// The object of such a request that is made in advance; which hosts is in the payload.
pub const HOSTS: &str = "hosts";

/// The action of a request for a terminal.
pub const TERMINAL: &str = "terminal";

/// The action of a request for the contents of somebody else's socket.
pub const INSPECTION: &str = "inspection";

/// How long a request stands at least and at most.
pub const LIFE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(7 * 24 * 3600)];

/// The longest wait between two looks for requests whose time is over, so that a clock that was set
/// is noticed.
const LONGEST: Duration = Duration::from_secs(30);

/// After a failure of the store, which is in the log.
const RECOVER: Duration = Duration::from_secs(1);

/// How much harm it may do.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Little.
    Low,
    /// Some.
    #[default]
    Medium,
    /// Much.
    High,
    /// More than can be undone.
    Critical,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has decided yet.
    Pending,
    /// Somebody agreed; nothing went through by it yet.
    Approved,
    /// Somebody said no.
    Denied,
    /// Nobody decided in time, or what was agreed to did not come in time.
    Expired,
    /// It let through what it was for, and lets nothing through any more.
    Used,
    /// What it was for is not wanted any more.
    Cancelled,
}

/// The text names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such word")]
pub struct UnknownWord;

macro_rules! words {
    ($name:ident: $($variant:ident = $word:literal),+ $(,)?) => {
        impl $name {
            /// Its name on the wire and in the store.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord),
                }
            }
        }
    };
}

words!(Risk: Low = "low", Medium = "medium", High = "high", Critical = "critical");
words!(
    Status: Pending = "pending",
    Approved = "approved",
    Denied = "denied",
    Expired = "expired",
    Used = "used",
    Cancelled = "cancelled",
);

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// What is to be done, in a word.
    pub action: String,
    /// To what, such as `host:…`.
    pub object: String,
    /// With what exactly.
    pub payload: Value,
}

impl Subject {
    /// The hash that binds a request to this, to its tenant and to who asks. Objects are written
    /// with their keys sorted, so that the order in which somebody wrote them makes no difference.
    #[must_use]
    pub fn binding(&self, tenant: TenantId, requester: UserId) -> String {
        let Self { action, object, payload } = self;
        let (tenant, requester) = (tenant.to_string(), requester.to_string());
        seal("approval", 1, &[&tenant, &requester, action, object, &payload.to_string()])
    }
}

/// Tells those who wait for a decision that there may be one.
#[derive(Debug)]
pub struct Approvals {
    changes: watch::Sender<u64>,
}

impl Default for Approvals {
    fn default() -> Self {
        Self { changes: watch::Sender::new(0) }
    }
}

impl Approvals {
    /// Something about a request was committed.
    pub fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Hears of changes from now on.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// Ends requests whose time is over, until the daemon stops.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut changes = app.approvals.watch();
    loop {
        changes.mark_unchanged();
        let wait = match expire(&app).await {
            Ok(next) => next.map_or(LONGEST, |next| next.since(app.clock.now()).min(LONGEST)),
            Err(error) => {
                tracing::error!(%error, "requests for consent could not be looked after");
                RECOVER
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            _ = changes.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Ends what is over; answers when to look again.
async fn expire(app: &App) -> Result<Option<Timestamp>, StoreError> {
    loop {
        let expired = app.store.expire_approvals(app.clock.now()).await?;
        let more = expired.more;
        let next = expired.next;
        if expired.count > 0 {
            job::consented(app, expired.released).await?;
        }
        if !more {
            return Ok(next);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_binding_is_the_same_for_the_same_request_only() {
        let (tenant, user) = (TenantId::new(), UserId::new());
        let subject = Subject {
            action: COMMAND.to_owned(),
            object: "host:1".to_owned(),
            payload: serde_json::from_str(r#"{"b":{"y":1,"x":2},"a":1}"#).unwrap(),
        };
        let hash = subject.binding(tenant, user);
        let written = serde_json::from_str(r#"{"a":1,"b":{"x":2,"y":1}}"#).unwrap();
        assert_eq!(Subject { payload: written, ..subject.clone() }.binding(tenant, user), hash);
        let others = [
            Subject { action: "commands".to_owned(), ..subject.clone() }.binding(tenant, user),
            Subject { object: "host:2".to_owned(), ..subject.clone() }.binding(tenant, user),
            Subject { payload: json!({ "a": 1 }), ..subject.clone() }.binding(tenant, user),
            subject.binding(TenantId::new(), user),
            subject.binding(tenant, UserId::new()),
        ];
        assert!(others.iter().all(|other| *other != hash));
    }

    #[test]
    fn words_round_trip() {
        use Status::{Approved, Cancelled, Denied, Expired, Pending, Used};
        for status in [Pending, Approved, Denied, Expired, Used, Cancelled] {
            assert_eq!(status.as_str().parse::<Status>(), Ok(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert!(Risk::Critical > Risk::High && Risk::High > Risk::Medium);
        assert_eq!("huge".parse::<Risk>(), Err(UnknownWord));
    }
}
