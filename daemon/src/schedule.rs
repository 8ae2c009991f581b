//! Orders that come again and again: when each host's turn is, and the task that gives them.
//!
//! A host that is not here is given nothing. However many of its turns it missed, it gets one order when
//! it is back; and however many come back at once, only so many orders of a schedule are open together.

mod timing;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::job;
use crate::store::StoreError;

pub use timing::Timing;

/// How often schedules are looked at: a host that came back and a place that was given back are noticed
/// this soon.
const LOOK: Duration = Duration::from_secs(10);

/// Has schedules looked at sooner.
#[derive(Debug, Default)]
pub struct Schedules {
    changed: Notify,
}

impl Schedules {
    /// Somebody made or changed a schedule.
    pub fn changed(&self) {
        self.changed.notify_one();
    }
}

/// Gives what is due, until the daemon stops.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    loop {
        if let Err(error) = give(&app).await {
            tracing::error!(%error, "scheduled scans could not be ordered");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = app.schedules.changed.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn give(app: &App) -> Result<(), StoreError> {
    for (tenant, schedule) in app.store.enabled_schedules().await? {
        job::order_scheduled(app, tenant, schedule).await?;
    }
    Ok(())
}
