//! What is done every few seconds: certificates, expired rows, the audit of anonymous refusals.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::doors::Certificates;
use crate::app::App;
use crate::audit::{Actor, By, Entry};
use crate::store::{Ages, StoreError};

/// How often certificates are looked at: a new pair of files is served this soon.
const CERTIFICATES: Duration = Duration::from_secs(2);

/// How often roles and API tokens are looked at whose time is over: what they opened ends this soon.
const EXPIRY: Duration = Duration::from_secs(1);

/// How often expired rows go and anonymous refusals are written down.
const MINUTE: Duration = Duration::from_secs(60);

/// How often events that are too many or too old go.
const EVENTS: Duration = Duration::from_secs(5);

/// Rows of anonymous refusals written at a time; a flood from more sources waits for the next.
const REFUSALS: usize = 256;

pub(super) async fn run(app: Arc<App>, certificates: Certificates, stop: CancellationToken) {
    let mut look = tokio::time::interval(CERTIFICATES);
    let mut expiry = tokio::time::interval(EXPIRY);
    let mut minute = tokio::time::interval(MINUTE);
    let mut events = tokio::time::interval(EVENTS);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = look.tick() => {
                let certificates = certificates.clone();
                // It reads files; a panic in there would show in the log by itself.
                let _ = tokio::task::spawn_blocking(move || certificates.check()).await;
            }
            _ = events.tick() => remove_events(&app).await,
            _ = expiry.tick() => {
                if let Err(error) = app.auth.expire().await {
                    tracing::error!(%error, "rights whose time is over could not be taken");
                }
            }
            _ = minute.tick() => {
                if let Err(error) = app.store.purge_tenants().await {
                    tracing::error!(%error, "what deleted tenants left could not be removed");
                }
                if let Err(error) = app.store.remove_expired(app.clock.now()).await {
                    tracing::error!(%error, "expired rows could not be removed");
                }
                let before = app.clock.now().minus(crate::http::REMEMBERED);
                if let Err(error) = app.store.remove_deliveries(before).await {
                    tracing::error!(%error, "old deliveries could not be removed");
                }
                if let Err(error) = app.store.forget_event_keys(app.clock.now()).await {
                    tracing::error!(%error, "keys of publications could not be forgotten");
                }
                if let Err(error) = app.store.forget_deliveries(app.clock.now()).await {
                    tracing::error!(%error, "old deliveries could not be forgotten");
                }
                if let Err(error) = remove_old(&app).await {
                    tracing::error!(%error, "what is old could not be removed");
                }
                write_refusals(&app).await;
            }
        }
    }
    write_refusals(&app).await;
}

/// Events that nobody can ask for any more. What is left of them is for the next time.
async fn remove_events(app: &App) {
    let removed = async {
        let rules = app.retention().await?;
        let of = |tenant| &rules.of(tenant).events;
        app.store.remove_old_events(of, app.clock.now()).await
    };
    if let Err(error) = removed.await {
        tracing::error!(%error, "old events could not be removed");
    }
}

/// Commands, scans and measurements that are older than their tenant keeps them.
async fn remove_old(app: &App) -> Result<(), StoreError> {
    let now = app.clock.now();
    for (whose, kept) in app.retention().await?.iter() {
        app.store.remove_old_jobs(whose, now.minus(kept.jobs)).await?;
        app.store.remove_old_approvals(whose, now.minus(kept.jobs)).await?;
        let per_host = app.config().compliance.scans_per_host;
        app.store.remove_old_scans(whose, now.minus(kept.scans), per_host).await?;
        let ages = Ages::new(kept.telemetry, kept.records);
        app.store.age_telemetry(whose, ages, now).await?;
    }
    Ok(())
}

/// Refusals before authentication, summed by source and kind, so that a flood can't write.
async fn write_refusals(app: &App) {
    for sum in app.guard.take_sums(REFUSALS) {
        let by = By { actor: Actor::Anonymous, source: sum.source, at: app.clock.now() };
        let entry = Entry::refused(None, "request.anonymous", sum.what);
        let entry = entry.with(serde_json::json!({ "count": sum.count }));
        if let Err(error) = app.store.audit(&by, entry).await {
            tracing::error!(%error, "refusals could not be audited");
            return;
        }
    }
}
