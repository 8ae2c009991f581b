//! Server-sent events: what the socket of topics sends, for clients without WebSockets. `id` is a
//! cursor of all topics, which an `EventSource` brings back by itself as `Last-Event-ID`.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use gangplank_proto::close::CloseCode;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::Refusal;
use super::gate::Call;
use super::subscriber::{self, fault};
use super::tell::{self, Wish};
use crate::app::App;
use crate::authority::Authority;
use crate::event::{self, Follower, Topic};
use crate::guard::UserSocket;
use crate::listener::Cut;
use crate::socket::End;

/// How long a client is asked to wait before it comes back.
const RETRY: Duration = Duration::from_secs(3);

/// How often it is looked whether the client takes what is sent.
const LOOK: Duration = Duration::from_secs(5);

/// How long the last words may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Whether a request is for server-sent events rather than for a WebSocket.
pub(super) fn asked(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    !headers.contains_key(header::UPGRADE)
        && accepted.any(|list| {
            list.split(',').any(|kind| {
                let kind = kind.split(';').next().unwrap_or_default().trim();
                kind.eq_ignore_ascii_case("text/event-stream")
            })
        })
}

/// Answers with the stream.
///
/// # Errors
/// 503 when too many follow one of the topics, 401 when the ticket is gone.
pub(super) async fn stream(
    app: Arc<App>,
    mut call: Call,
    authority: Authority,
    wish: Wish,
    place: UserSocket,
) -> Result<Response, Refusal> {
    let tenant = authority.who.tenant;
    let full = |_| Refusal::unavailable("too many subscribers; come back in a moment");
    let followers = subscriber::follow_all(&app, tenant, &wish).await.map_err(full)?;
    call.use_ticket(&app).await?;
    let over = watch::Sender::new(None);
    let left = CancellationToken::new();
    let watched = Arc::new(Watched { start: Instant::now(), idle_since: AtomicU64::new(0) });
    let every = app.config().limits.heartbeat / 2;
    let told = Told {
        followers,
        over: over.subscribe(),
        watched: Arc::clone(&watched),
        every,
        begun: false,
        ended: false,
        _place: place,
        _left: left.clone().drop_guard(),
    };
    let watch = watch(Arc::clone(&app), authority, over, watched, call.cut.take());
    app.tracker.spawn(async move {
        tokio::select! {
            () = left.cancelled() => {}
            () = watch => {}
        }
    });
    let chunks = stream::unfold(told, |mut told| async move {
        let chunk = told.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(chunk)), told))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers are asked not to gather this one.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Whether the connection takes what is sent.
#[derive(Debug)]
struct Watched {
    start: Instant,
    /// Milliseconds from the start to when a chunk was taken over that nobody has sent yet; 0 while
    /// the connection waits for the next one.
    idle_since: AtomicU64,
}

impl Watched {
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn stuck(&self) -> Duration {
        match self.idle_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(self.now().saturating_sub(since)),
        }
    }
}

/// Ends the stream when its right is gone or the daemon stops, and breaks a connection that takes
/// nothing.
async fn watch(
    app: Arc<App>,
    mut authority: Authority,
    over: watch::Sender<Option<End>>,
    watched: Arc<Watched>,
    cut: Option<Cut>,
) {
    let patience = app.config().limits.channel_write;
    let mut stopping = app.stopping();
    let stuck = async {
        while watched.stuck() < patience {
            tokio::time::sleep(LOOK.min(patience)).await;
        }
    };
    let end = tokio::select! {
        loss = authority.lost() => Some(loss.end()),
        end = stopping.wait() => Some(end),
        () = stuck => None,
    };
    if let Some(end) = end {
        over.send_replace(Some(end));
        tokio::time::sleep(GOODBYE).await;
    }
    if let Some(cut) = cut {
        cut.cut();
    }
}

/// One client's way through its topics.
struct Told {
    followers: Vec<Follower>,
    over: watch::Receiver<Option<End>>,
    watched: Arc<Watched>,
    /// Time between two signs of life.
    every: Duration,
    begun: bool,
    ended: bool,
    _place: UserSocket,
    _left: DropGuard,
}

impl Told {
    /// The next chunk, or none at the end.
    async fn next(&mut self) -> Option<String> {
        self.watched.idle_since.store(0, Ordering::Relaxed);
        if self.ended {
            return None;
        }
        let chunk = if self.begun { self.chunk().await } else { self.beginning() };
        self.begun = true;
        self.watched.idle_since.store(self.watched.now(), Ordering::Relaxed);
        Some(chunk)
    }

    fn beginning(&self) -> String {
        format!("retry: {}\nid: {}\n\n", RETRY.as_millis(), self.cursor(None))
    }

    /// How far the client got, or will have got in the middle of what it is told of one topic.
    fn cursor(&self, within: Option<(Topic, u64)>) -> String {
        let mut cursor = String::new();
        for follower in &self.followers {
            let topic = follower.topic();
            let at = within.filter(|(own, _)| *own == topic).map_or(follower.after(), |(_, at)| at);
            let comma = if cursor.is_empty() { "" } else { "," };
            // Writing to a string can't fail.
            let _ = write!(cursor, "{comma}{}:{at}", topic.as_str());
        }
        cursor
    }

    async fn chunk(&mut self) -> String {
        let mut over = self.over.clone();
        let silence = Instant::now() + self.every;
        loop {
            match self.part().await {
                Ok(Some(part)) => return part,
                Ok(None) => {}
                Err(end) => return self.goodbye(&end),
            }
            let end = tokio::select! {
                end = over.wait_for(Option::is_some) => match end {
                    Ok(end) => end.clone().unwrap_or(End::Gone),
                    Err(_) => End::Gone,
                },
                () = tell::changed(&mut self.followers) => continue,
                () = tokio::time::sleep_until(silence) => return ":\n\n".to_owned(),
            };
            return self.goodbye(&end);
        }
    }

    /// A part of what the client has not been told; none when it knows everything.
    async fn part(&mut self) -> Result<Option<String>, End> {
        if let Some(end) = self.over.borrow().clone() {
            return Err(end);
        }
        for index in 0..self.followers.len() {
            let Some(follower) = self.followers.get_mut(index) else { continue };
            let first = follower.after();
            let heard = follower.next().await.map_err(fault)?;
            if heard.is_empty() {
                continue;
            }
            let topic = follower.topic();
            let last = follower.after();
            let mut part = String::new();
            let mut seq = first;
            if let Some(gap) = heard.gap {
                seq = gap.to;
                let gap = serde_json::to_string(&event::gap(topic, gap)).map_err(fault)?;
                let id = self.cursor(Some((topic, seq)));
                let _ = write!(part, "id: {id}\nevent: gap\ndata: {gap}\n\n");
            }
            for text in heard.texts {
                // Numbers have no holes.
                seq = seq.saturating_add(1).min(last);
                let id = self.cursor(Some((topic, seq)));
                let _ = write!(part, "id: {id}\nevent: {}\ndata: {text}\n\n", topic.as_str());
            }
            return Ok(Some(part));
        }
        Ok(None)
    }

    /// The last words: the code with which a WebSocket would have been closed.
    fn goodbye(&mut self, end: &End) -> String {
        self.ended = true;
        let (code, reason) = match end {
            End::Gone => (CloseCode::Normal, ""),
            End::Close(code, reason) => (*code, reason.as_str()),
        };
        let said = serde_json::json!({ "code": code.number(), "reason": reason });
        format!("event: closed\ndata: {said}\n\n")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn accepts(value: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(value));
        asked(&headers)
    }

    #[test]
    fn only_who_asks_for_a_stream_gets_one() {
        assert!(accepts("text/event-stream") && accepts("text/html, Text/Event-Stream;q=0.9"));
        assert!(!accepts("*/*") && !accepts("application/json") && !asked(&HeaderMap::new()));
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        assert!(!asked(&headers));
    }
}
