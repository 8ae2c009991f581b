//! Events to receivers outside: signed, in order topic by topic, tried again until they are taken or
//! given up. Each receiver has a task of its own, so that one which hangs delays no other.

mod sign;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gangplank_proto::id::WebhookId;
use gangplank_proto::secret::Secret;
use http::{HeaderValue, Method, Request, header};
use http_body_util::Full;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::auth::ServerSecret;
use crate::clock::Timestamp;
use crate::egress::{EgressError, HttpClient};
use crate::event::Topic;
use crate::random;
use crate::store::{Attempt, StoreError, Webhook, WebhookDelivery};

use sign::Signer;

/// For one exchange with a receiver.
pub const WAIT: Duration = Duration::from_secs(10);

/// Bytes that are read of a receiver's answer.
pub const ANSWER: usize = 64 << 10;

/// Exchanges of all receivers at once.
const TOGETHER: usize = 32;

/// The longest wait between two attempts.
const LONGEST: Duration = Duration::from_secs(3600);

/// How often receivers are looked at when nothing was heard, and after a failure of the store.
const LOOK: Duration = Duration::from_secs(60);

/// After a failure of the store, which is in the log.
const RECOVER: Duration = Duration::from_secs(5);

/// What everybody who has to do with receivers holds.
#[derive(Debug)]
pub struct Webhooks {
    signer: Signer,
    changed: Notify,
    /// Counts what every task has to look for itself.
    asked: watch::Sender<u64>,
    exchanges: Semaphore,
}

impl Webhooks {
    /// Secrets of receivers follow from the server's own.
    #[must_use]
    pub fn new(secret: &ServerSecret) -> Self {
        let signer = Signer::new(secret);
        let (changed, asked) = (Notify::new(), watch::Sender::new(0));
        Self { signer, changed, asked, exchanges: Semaphore::new(TOGETHER) }
    }

    /// Somebody made or changed a receiver, or asked for a delivery.
    pub fn changed(&self) {
        self.changed.notify_one();
        self.asked.send_modify(|count| *count += 1);
    }

    /// The secret with which a receiver checks what it gets.
    #[must_use]
    pub fn secret(&self, hook: &Webhook) -> Secret {
        self.signer.secret(hook.id, hook.generation)
    }
}

/// Delivers, until the daemon stops.
pub async fn run(app: Arc<App>, client: HttpClient, stop: CancellationToken) {
    let mut tasks: HashMap<WebhookId, (Webhook, AbortHandle)> = HashMap::new();
    loop {
        match app.store.enabled_webhooks().await {
            Ok(hooks) => {
                let hooks: HashMap<_, _> = hooks.into_iter().map(|hook| (hook.id, hook)).collect();
                tasks.retain(|id, (hook, task)| {
                    // One that changed begins anew; what was under way is sent again.
                    let same = hooks.get(id) == Some(hook) && !task.is_finished();
                    if !same {
                        task.abort();
                    }
                    same
                });
                for (id, hook) in hooks {
                    tasks.entry(id).or_insert_with(|| {
                        let serve = serve(Arc::clone(&app), client.clone(), hook.clone());
                        let stop = stop.clone();
                        let task = app.tracker.spawn(async move {
                            tokio::select! {
                                () = stop.cancelled() => {}
                                () = serve => {}
                            }
                        });
                        (hook, task.abort_handle())
                    });
                }
            }
            Err(error) => tracing::error!(%error, "webhooks could not be looked up"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = app.webhooks.changed.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Delivers to one receiver, for ever.
async fn serve(app: Arc<App>, client: HttpClient, hook: Webhook) {
    let topics: Vec<_> = hook.topics.iter().filter_map(|name| Topic::named(name)).collect();
    let mut news: Vec<_> =
        topics.iter().map(|topic| app.events.subscribe(hook.tenant, *topic)).collect();
    news.push(app.webhooks.asked.subscribe());
    loop {
        news.iter_mut().for_each(|news| {
            news.mark_unchanged();
        });
        let next = match turn(&app, &client, &hook).await {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, webhook = %hook.id, "nothing could be delivered");
                Some(app.clock.now().plus(RECOVER))
            }
        };
        let wait = next.map_or(LOOK, |next| next.since(app.clock.now()).min(LOOK));
        let changed = news.iter_mut().map(|news| Box::pin(news.changed()));
        tokio::select! {
            // Every sender lives as long as the daemon.
            _ = futures_util::future::select_all(changed) => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Sends everything that is due; answers when the next is, if anything waits.
async fn turn(
    app: &App,
    client: &HttpClient,
    hook: &Webhook,
) -> Result<Option<Timestamp>, StoreError> {
    loop {
        app.store.note_deliveries(hook, app.clock.now()).await?;
        let waiting = app.store.next_deliveries(hook).await?;
        let now = app.clock.now();
        let mut sent = false;
        for delivery in waiting.iter().filter(|delivery| delivery.next_at <= now) {
            send(app, client, hook, delivery).await?;
            sent = true;
        }
        if !sent {
            return Ok(waiting.first().map(|delivery| delivery.next_at));
        }
    }
}

async fn send(
    app: &App,
    client: &HttpClient,
    hook: &Webhook,
    delivery: &WebhookDelivery,
) -> Result<(), StoreError> {
    // It is never closed.
    let _place = app.webhooks.exchanges.acquire().await;
    let answer = match request(app, hook, delivery) {
        Ok(request) => client.send(&hook.url, request).await,
        Err(error) => Err(EgressError::Request(error)),
    };
    let (status, error) = match answer {
        Ok(answer) if answer.response.status().is_success() => {
            (Some(answer.response.status().as_u16()), None)
        }
        Ok(answer) => {
            let status = answer.response.status();
            (Some(status.as_u16()), Some(format!("it answered {status}")))
        }
        Err(error) => (None, Some(error.to_string())),
    };
    let now = app.clock.now();
    let config = app.config();
    let tried = delivery.attempts.saturating_add(1);
    let again_at = (error.is_some() && tried < config.webhooks.attempts)
        .then(|| now.plus(backoff(config.webhooks.retry, tried)));
    if let Some(reason) = &error {
        let to = hook.url.origin();
        tracing::warn!(webhook = %hook.id, to, tried, reason = ?reason, "a delivery failed");
    }
    app.store.attempted(hook.tenant, delivery.id, &Attempt { status, error, again_at }, now).await
}

fn request(
    app: &App,
    hook: &Webhook,
    delivery: &WebhookDelivery,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let now = app.clock.now();
    let signatures = app.webhooks.signer.sign(hook, &delivery.body, now);
    let mut request = Request::builder()
        .method(Method::POST)
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(header::USER_AGENT, concat!("gangplank/", env!("CARGO_PKG_VERSION")))
        .header("x-delivery-id", delivery.id.to_string())
        .header("x-timestamp", now.seconds().to_string())
        .header("x-signature", signatures.current);
    if let Some(before) = signatures.before {
        request = request.header("x-signature-before", before);
    }
    request.body(Full::new(Bytes::from(delivery.body.clone())))
}

/// The wait after so many attempts: doubled each time, and half of it up to chance, so that many
/// that failed together don't come back together.
fn backoff(first: Duration, tried: u32) -> Duration {
    let full = first.saturating_mul(1 << tried.saturating_sub(1).min(16)).min(LONGEST);
    let chance = random::bytes::<1>().map_or(0, |[byte]| byte);
    full / 2 + full * u32::from(chance) / 512
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour() {
        let first = Duration::from_secs(5);
        for (tried, full) in [(1, 5), (2, 10), (5, 80), (11, 3600), (40, 3600)] {
            let wait = backoff(first, tried);
            let full = Duration::from_secs(full);
            assert!(wait >= full / 2 && wait <= full, "{tried}: {wait:?}");
        }
    }
}
