//! What a page gets to see: the two vocabularies of a terminal socket, and the writing half.

use bytes::Bytes;
use gangplank_proto::close::CloseCode;
use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::terminal::{FromPage, ToPage};
use gangplank_proto::utf8::Utf8Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::Message;

use crate::message;
use crate::socket::{End, Received, Writer};

/// How terminal bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vocabulary {
    /// `gangplank.terminal.v1`: binary messages, acknowledged by the page.
    V1,
    /// PatchMon's JSON: text in `input` and `data`.
    Json,
}

/// A message of the page.
#[derive(Debug)]
pub enum FromViewer {
    /// Input.
    Input(Bytes),
    /// A word.
    Word(FromPage),
}

/// Reads one message.
///
/// # Errors
/// `Ok(Err(text))` for what can't be understood and may be said again, `Err` when the socket has to
/// be closed.
pub fn hear(vocabulary: Vocabulary, received: Received) -> Result<Result<FromViewer, String>, End> {
    match (vocabulary, received) {
        (Vocabulary::V1, Received::Binary(data)) => Ok(Ok(FromViewer::Input(data))),
        (Vocabulary::Json, Received::Binary(_)) => {
            Err(End::close(CloseCode::Unsupported, "text messages only"))
        }
        (vocabulary, Received::Text(text)) => Ok(match message::parse(text.as_bytes()) {
            Ok(FromPage::Input { data }) if vocabulary == Vocabulary::Json => {
                Ok(FromViewer::Input(Bytes::from(data)))
            }
            Ok(FromPage::Input { .. }) => Err("input travels as binary messages".to_owned()),
            Ok(word) => Ok(FromViewer::Word(word)),
            Err(error) => Err(error.to_string()),
        }),
    }
}

/// The writing half of a terminal socket.
#[derive(Debug)]
pub struct Page<S> {
    writer: Writer<S>,
    vocabulary: Vocabulary,
    text: Utf8Stream,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Page<S> {
    /// The page behind a socket.
    pub fn new(writer: Writer<S>, vocabulary: Vocabulary) -> Self {
        Self { writer, vocabulary, text: Utf8Stream::default() }
    }

    /// How it speaks.
    pub fn vocabulary(&self) -> Vocabulary {
        self.vocabulary
    }

    /// Puts a word into the buffer.
    ///
    /// # Errors
    /// [`End`] when the page is gone.
    pub async fn word(&mut self, word: &ToPage) -> Result<(), End> {
        let fault = |_| End::close(CloseCode::Internal, "internal error");
        let text = serde_json::to_string(word).map_err(fault)?;
        self.writer.feed(Message::text(text)).await
    }

    /// Puts output into the buffer.
    ///
    /// # Errors
    /// [`End`] when the page is gone.
    pub async fn output(&mut self, data: Bytes) -> Result<(), End> {
        match self.vocabulary {
            Vocabulary::V1 => self.writer.output(data).await,
            Vocabulary::Json => {
                let data = self.text.push(&data);
                if data.is_empty() { Ok(()) } else { self.word(&ToPage::Data { data }).await }
            }
        }
    }

    /// The output ended: what waited for the rest of a character is shown as it is.
    ///
    /// # Errors
    /// [`End`] when the page is gone.
    pub async fn end_of_output(&mut self) -> Result<(), End> {
        let data = self.text.finish();
        if data.is_empty() { Ok(()) } else { self.word(&ToPage::Data { data }).await }
    }

    /// Puts an error into the buffer.
    ///
    /// # Errors
    /// [`End`] when the page is gone.
    pub async fn error(&mut self, error: OpenError) -> Result<(), End> {
        let (key_type, fingerprint) =
            error.host_key.map(|key| (key.key_type, key.fingerprint)).unzip();
        let OpenError { code, message, .. } = error;
        self.word(&ToPage::Error { code, message, key_type, fingerprint }).await
    }

    /// Puts an error about a message into the buffer.
    ///
    /// # Errors
    /// [`End`] when the page is gone.
    pub async fn bad_request(&mut self, message: &str) -> Result<(), End> {
        self.error(OpenError::new(ErrorCode::BadRequest, message)).await
    }

    /// Puts a ping into the buffer.
    ///
    /// # Errors
    /// [`End`] when the page is gone.
    pub async fn ping(&mut self, ping: Message) -> Result<(), End> {
        self.writer.feed(ping).await
    }

    /// Sends what is in the buffer, unless more output is about to come.
    ///
    /// # Errors
    /// [`End`] when the page is gone.
    pub async fn settle(&mut self) -> Result<(), End> {
        self.writer.settle().await
    }

    /// When [`Self::settle`] has to be called again.
    #[must_use]
    pub fn gathers_until(&self) -> Option<Instant> {
        self.writer.gathers_until()
    }

    /// Sends what is in the buffer.
    ///
    /// # Errors
    /// [`End`] when the page is gone.
    pub async fn flush(&mut self) -> Result<(), End> {
        self.writer.flush().await
    }

    /// The socket's half, for its end.
    pub fn writer(&mut self) -> &mut Writer<S> {
        &mut self.writer
    }
}
