//! How terminals are told to end, or to let go.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::frozen::Frozen;

/// Tells one terminal to end, and why.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    token: CancellationToken,
    reason: Arc<OnceLock<&'static str>>,
}

impl Stop {
    /// One that `token` ends too.
    pub(crate) fn under(token: &CancellationToken) -> Self {
        Self { token: token.child_token(), reason: Arc::default() }
    }

    /// The first reason counts.
    pub(crate) fn because(&self, reason: &'static str) {
        self.reason.get_or_init(|| reason);
        self.token.cancel();
    }

    pub(crate) fn now(&self) {
        self.token.cancel();
    }

    pub(crate) async fn told(&self) {
        self.token.cancelled().await;
    }

    pub(crate) fn reason(&self) -> &'static str {
        self.reason.get().unwrap_or(&"the session was ended")
    }
}

/// Tells all terminals to let go of what they have, for another program.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leaving {
    token: CancellationToken,
    frozen: Arc<Mutex<Vec<Frozen>>>,
}

impl Leaving {
    pub(crate) fn begin(&self) {
        self.token.cancel();
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.token.is_cancelled()
    }

    pub(crate) async fn begun(&self) {
        self.token.cancelled().await;
    }

    pub(crate) fn put(&self, frozen: Frozen) {
        self.frozen.lock().unwrap_or_else(PoisonError::into_inner).push(frozen);
    }

    pub(crate) fn take(&self) -> Vec<Frozen> {
        std::mem::take(&mut *self.frozen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
