//! Waiting for what becomes of a request, by what goes on or is given up by it.

use std::time::Duration;

use gangplank_proto::id::{ApprovalId, TenantId, UserId};
use tokio::sync::watch;

use super::{RECOVER, Status};
use crate::app::App;
use crate::audit::By;
use crate::job;
use crate::store::{Released, StoreError};

/// How often a request is looked at though nothing was heard of it.
const LOOK: Duration = Duration::from_secs(30);

/// Waits for one request.
#[derive(Debug)]
pub struct Wait {
    tenant: TenantId,
    approval: ApprovalId,
    changes: watch::Receiver<u64>,
    /// Whether the request was looked at since the last change.
    looked: bool,
}

impl Wait {
    /// Waits for this request.
    #[must_use]
    pub fn new(app: &App, tenant: TenantId, approval: ApprovalId) -> Self {
        let mut changes = app.approvals.watch();
        changes.mark_unchanged();
        Self { tenant, approval, changes, looked: false }
    }

    /// The request.
    #[must_use]
    pub fn approval(&self) -> ApprovalId {
        self.approval
    }

    /// Waits until the request is decided on, or over. Cancel safe.
    pub async fn decided(&mut self, app: &App) -> Status {
        loop {
            if !self.looked {
                match app.store.approval(self.tenant, self.approval).await {
                    Ok(Some(found)) if found.status == Status::Pending => self.looked = true,
                    Ok(Some(found)) => return found.status,
                    Ok(None) => return Status::Cancelled,
                    Err(error) => {
                        tracing::warn!(%error, "a request for approval could not be looked up");
                        tokio::time::sleep(RECOVER).await;
                        continue;
                    }
                }
            }
            // Without a sender the daemon is stopping, which whoever waits hears of by itself.
            let _ = tokio::time::timeout(LOOK, self.changes.changed()).await;
            self.looked = false;
        }
    }
}

/// Why a request lets nothing through, in words about what it is for, such as `this terminal`.
pub async fn why_not(
    app: &App,
    tenant: TenantId,
    id: ApprovalId,
    status: Status,
    what: &str,
) -> String {
    match status {
        Status::Expired => format!("nobody approved {what} in time"),
        Status::Denied => {
            let found = app.store.approval(tenant, id).await.ok().flatten();
            let who = found.as_ref().and_then(|found| found.decided_by.clone());
            let who = who.unwrap_or_else(|| "somebody".to_owned());
            match found.and_then(|found| found.note) {
                Some(note) => format!("{who} denied {what}: {note}"),
                None => format!("{who} denied {what}"),
            }
        }
        _ => format!("the request for {what} was taken back"),
    }
}

/// Takes a request back that nobody waits for any more.
///
/// # Errors
/// When the store fails.
pub async fn no_longer_wanted(
    app: &App,
    tenant: TenantId,
    by: &By,
    requester: UserId,
    id: ApprovalId,
) -> Result<(), StoreError> {
    match app.store.cancel_approval(tenant, by, requester, id).await? {
        Some((_, announced)) => {
            job::consented(app, Released { announced, ..Released::default() }).await
        }
        None => Ok(()),
    }
}
