//! One subscriber's way through a topic: first what it missed, from the store, then what is new,
//! which one of all subscribers reads for the others.

use gangplank_proto::event::{Gap, GapRange};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::Topic;
use super::feed::Listener;
use super::frame::{Form, Frame};
use super::tail::Taken;
use crate::store::{Passage, Store, StoreError};

/// Bytes of events read from the store at a time, and one event more.
const PASSAGE: usize = 64 << 10;

/// Follows a topic.
#[derive(Debug)]
pub struct Follower {
    store: Store,
    listener: Listener,
    after: u64,
    /// The latest number heard of when it looked last.
    latest: u64,
    form: Form,
    /// Whether everything before the time of listening is known.
    caught_up: bool,
}

/// What a subscriber is to be told next.
#[derive(Debug, Default)]
pub struct Heard {
    /// Events that are gone; they come before the texts.
    pub gap: Option<GapRange>,
    /// Events, oldest first.
    pub texts: Vec<Utf8Bytes>,
}

impl Heard {
    /// Whether there is nothing to be told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gap.is_none() && self.texts.is_empty()
    }
}

impl Follower {
    pub(super) fn new(store: Store, listener: Listener, after: u64, form: Form) -> Self {
        Self { store, listener, after, latest: 0, form, caught_up: false }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> Topic {
        self.listener.topic
    }

    /// Number of the last event that was told.
    #[must_use]
    pub fn after(&self) -> u64 {
        self.after
    }

    /// Whether there was more when it looked last than it has told since.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.caught_up || self.after < self.latest
    }

    /// Waits until there is more. Cancel safe.
    pub async fn changed(&mut self) {
        self.listener.changed().await;
    }

    /// What the subscriber has not been told yet, a part of it at a time; nothing when it knows all.
    ///
    /// # Errors
    /// When the store fails.
    ///
    /// Reading the store is in a box, because a subscriber that is not behind never does.
    pub async fn next(&mut self) -> Result<Heard, StoreError> {
        let latest = self.listener.latest();
        self.latest = latest;
        if !self.caught_up {
            return Box::pin(self.passage()).await;
        }
        for _ in 0..2 {
            match self.listener.take(self.after, self.form) {
                Taken::Texts(texts, last) => {
                    self.after = last;
                    return Ok(Heard { gap: None, texts });
                }
                Taken::End if latest <= self.after => return Ok(Heard::default()),
                Taken::End => Box::pin(self.read(latest)).await?,
                Taken::Outside => break,
            }
        }
        if latest <= self.after {
            return Ok(Heard::default());
        }
        Box::pin(self.passage()).await
    }

    /// Reads from the store for this subscriber alone.
    async fn passage(&mut self) -> Result<Heard, StoreError> {
        let (tenant, topic) = (self.listener.tenant, self.listener.topic.as_str());
        let passage = self.store.passage(tenant, topic, self.after, PASSAGE).await?;
        let Passage { gap, events, last_seq } = passage;
        if self.after > last_seq {
            // The cursor comes from a database that was since restored: nothing of it counts.
            self.after = last_seq;
            self.caught_up = true;
            let gap = Some(GapRange { from: 1, to: last_seq });
            return Ok(Heard { gap, texts: Vec::new() });
        }
        if let Some(gap) = gap {
            self.after = gap.to;
        }
        let frames = events.iter().map(|event| Frame::new(topic, event));
        let texts: Vec<_> = frames.map(|frame| frame.text(self.form)).collect();
        if let Some(last) = events.last() {
            self.after = last.seq;
        }
        self.caught_up = self.after >= last_seq;
        Ok(Heard { gap, texts })
    }

    /// Reads what is new into the tail, for everybody.
    async fn read(&mut self, latest: u64) -> Result<(), StoreError> {
        let feed = std::sync::Arc::clone(&self.listener.feed);
        let _reading = feed.reading.lock().await;
        let end = self.listener.end();
        if end.is_some_and(|end| end >= latest) {
            return Ok(());
        }
        let (tenant, topic) = (self.listener.tenant, self.listener.topic.as_str());
        let after = end.unwrap_or(self.after);
        let passage = self.store.passage(tenant, topic, after, PASSAGE).await?;
        if passage.gap.is_some() {
            self.listener.forget();
            return Ok(());
        }
        self.listener.put(passage.events.iter().map(|event| Frame::new(topic, event)));
        Ok(())
    }
}

/// A gap as subscribers are told of it.
#[must_use]
pub fn gap(topic: Topic, gap: GapRange) -> Gap {
    Gap { topic: topic.as_str().to_owned(), gap }
}
