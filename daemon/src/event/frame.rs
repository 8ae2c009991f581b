//! An event as it goes out, written once for all who hear it.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::store::StoredEvent;

/// How much of an event a subscriber is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The message alone.
    Bare,
    /// The message with topic, number, id and time.
    Enveloped,
}

/// An event in both forms, which share their bytes.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its number.
    pub seq: u64,
    enveloped: Utf8Bytes,
    bare: Utf8Bytes,
}

impl Frame {
    /// Writes an event.
    #[must_use]
    pub fn new(topic: &str, event: &StoredEvent) -> Self {
        let StoredEvent { seq, id, at, data } = event;
        let head = format!(
            "{{\"topic\":\"{topic}\",\"seq\":{seq},\"id\":\"{id}\",\"at\":\"{at}\",\"data\":"
        );
        let whole = Bytes::from(format!("{head}{data}}}"));
        let bare = whole.slice(head.len()..whole.len().saturating_sub(1));
        // Both are text: the one was just written, the other is cut out where text begins and ends.
        Self {
            seq: *seq,
            enveloped: Utf8Bytes::try_from(whole).unwrap_or_default(),
            bare: Utf8Bytes::try_from(bare).unwrap_or_default(),
        }
    }

    /// What a subscriber is sent.
    #[must_use]
    pub fn text(&self, form: Form) -> Utf8Bytes {
        match form {
            Form::Bare => self.bare.clone(),
            Form::Enveloped => self.enveloped.clone(),
        }
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn size(&self) -> usize {
        self.enveloped.len()
    }
}
