//! Tickets: the right to open one socket, for a browser that can't set headers on an upgrade.
//!
//! A ticket is 64 lowercase hex digits (256 random bits), lives 30 seconds, and belongs to one
//! login, its user and one target. It is *taken* in one statement, so that of any number of upgrades
//! with the same ticket one succeeds, also across restarts.

use std::fmt;
use std::net::IpAddr;

use gangplank_proto::id::HostId;
use gangplank_proto::limit::TICKET_LIFE;
use gangplank_proto::secret::Secret;

use crate::audit::{Actor, By};
use crate::auth::Principal;
use crate::clock::Clock;
use crate::random::{self, RandomError};
use crate::store::{Store, StoreError};

/// What a ticket opens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// The terminal socket of a host.
    Terminal(HostId),
    /// The socket of a channel, by name.
    Channel(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminal(host) => write!(f, "terminal:{host}"),
            Self::Channel(name) => write!(f, "channel:{name}"),
        }
    }
}

/// Why a ticket opens nothing. The peer learns 401 from each.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// Unknown, used, expired, or its login has ended.
    #[error("the ticket can't be used")]
    Unusable,
    /// Issued for something else, and burnt now.
    #[error("the ticket is for something else")]
    WrongTarget,
    /// The store failed; the ticket is unused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness for a new ticket.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Issues and takes tickets.
#[derive(Debug, Clone)]
pub struct Tickets {
    store: Store,
    clock: Clock,
}

impl Tickets {
    /// Tickets kept in `store`.
    #[must_use]
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock }
    }

    /// Makes a ticket. Whether the person may open the target is checked now by the caller, and
    /// again when the ticket is used.
    ///
    /// # Errors
    /// When the store fails or there is no randomness.
    pub async fn issue(
        &self,
        principal: &Principal,
        source: Option<IpAddr>,
        target: &Target,
    ) -> Result<Secret, TicketError> {
        let ticket = random::token()?;
        let by = principal.by(source, self.clock.now());
        let hash = random::token_hash(ticket.expose());
        let expires_at = by.at.plus(TICKET_LIFE);
        self.store.put_ticket(principal, &by, &hash, &target.to_string(), expires_at).await?;
        Ok(ticket)
    }

    /// Whose ticket it is, without using it: the first half of the gate's work.
    ///
    /// # Errors
    /// [`TicketError::Unusable`]; [`TicketError::WrongTarget`] after having burnt it.
    pub async fn look(
        &self,
        ticket: &str,
        source: Option<IpAddr>,
        target: &Target,
    ) -> Result<Principal, TicketError> {
        let Some(hash) = hash(ticket) else { return Err(TicketError::Unusable) };
        let found = self.store.find_ticket(&hash, self.clock.now()).await?;
        let Some(found) = found else { return Err(TicketError::Unusable) };
        if found.target == target.to_string() {
            return Ok(found.principal);
        }
        self.take(ticket, source, target).await
    }

    /// Takes a ticket; the last thing before the upgrade is confirmed. However it ends, the ticket
    /// is gone, unless the store failed.
    ///
    /// # Errors
    /// [`TicketError::Unusable`] or [`TicketError::WrongTarget`].
    pub async fn take(
        &self,
        ticket: &str,
        source: Option<IpAddr>,
        target: &Target,
    ) -> Result<Principal, TicketError> {
        let Some(hash) = hash(ticket) else { return Err(TicketError::Unusable) };
        let now = self.clock.now();
        // Guesses must not queue for the one writer, so the readers sort them out.
        let Some(found) = self.store.find_ticket(&hash, now).await? else {
            return Err(TicketError::Unusable);
        };
        let by = By { actor: Actor::User(found.principal.username), source, at: now };
        let wanted = target.to_string();
        match self.store.take_ticket(&by, &hash, &wanted).await? {
            None => Err(TicketError::Unusable),
            Some(taken) if taken.target == wanted => Ok(taken.principal),
            Some(_) => Err(TicketError::WrongTarget),
        }
    }
}

/// The hash of what has a ticket's form; anything else is no ticket.
fn hash(ticket: &str) -> Option<String> {
    let form = ticket.len() == 64 && ticket.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    form.then(|| random::token_hash(ticket))
}

#[cfg(test)]
mod tests;
