//! The Unix socket of a keeper: who is at the other end, and the two halves of the stream.

use std::io;

use bytes::BytesMut;
use gangplank_proto::id::ChannelId;
use gangplank_proto::link::WordError;
use gangplank_proto::stream::{self, Message, StreamError};
use gangplank_terminal::queue::{Item, Outlet};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// Bytes written before a flush at most, and read at once.
const BATCH: usize = 64 << 10;

/// Why a link over a Unix socket is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The other end closed it.
    #[error("it was closed")]
    Closed,
    /// This end was told to stop.
    #[error("stopped")]
    Stopped,
    /// The other end belongs to somebody else.
    #[error("user {0} is at the other end")]
    Foreign(u32),
    /// It can't be reached, or broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What came is no message.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// What came is no word, or none that can be sent.
    #[error(transparent)]
    Word(#[from] WordError),
    /// What came makes no sense.
    #[error("{0}")]
    Protocol(String),
    /// Nothing came in time.
    #[error("it said nothing in time")]
    Silent,
}

/// The side from which messages come.
#[derive(Debug)]
pub(super) struct Reader {
    half: OwnedReadHalf,
    buffer: BytesMut,
}

/// The side to which messages go.
#[derive(Debug)]
pub(super) struct Writer {
    half: OwnedWriteHalf,
    buffer: BytesMut,
}

/// The two halves of a stream whose other end belongs to a user that `is_trusted`.
///
/// # Errors
/// [`Ended::Foreign`] when it doesn't.
pub(super) fn split(
    stream: UnixStream,
    is_trusted: impl FnOnce(u32) -> bool,
) -> Result<(Reader, Writer), Ended> {
    let uid = stream.peer_cred()?.uid();
    if !is_trusted(uid) {
        return Err(Ended::Foreign(uid));
    }
    let (read, write) = stream.into_split();
    let reader = Reader { half: read, buffer: BytesMut::new() };
    Ok((reader, Writer { half: write, buffer: BytesMut::new() }))
}

impl Reader {
    /// The next message. Cancel safe.
    ///
    /// # Errors
    /// [`Ended`] when there is none, or what came is none.
    pub(super) async fn next(&mut self) -> Result<Message, Ended> {
        loop {
            if let Some(message) = stream::take(&mut self.buffer)? {
                return Ok(message);
            }
            self.buffer.reserve(BATCH);
            if self.half.read_buf(&mut self.buffer).await? == 0 {
                return Err(Ended::Closed);
            }
        }
    }
}

impl Writer {
    /// Puts a word into the buffer.
    ///
    /// # Errors
    /// [`Ended`] for one that can't be sent.
    pub(super) fn feed(&mut self, text: &str) -> Result<(), Ended> {
        Ok(stream::put_word(&mut self.buffer, text)?)
    }

    /// Sends what is in the buffer. Cancel safe.
    ///
    /// # Errors
    /// [`Ended`] when the other end is gone.
    pub(super) async fn flush(&mut self) -> Result<(), Ended> {
        Ok(self.half.write_all_buf(&mut self.buffer).await?)
    }

    /// Sends what comes out of `outlet` until the stream ends, in batches; `say` turns words into
    /// text, and keeps back what it answers nothing for. Cancel safe.
    pub(super) async fn carry<W>(
        &mut self,
        outlet: &mut Outlet<W>,
        mut say: impl FnMut(ChannelId, Item<W>) -> Result<Option<Said>, WordError>,
    ) -> Ended {
        let carrying = async {
            while let Some(first) = outlet.recv().await {
                self.batch(first, outlet, &mut say)?;
                self.flush().await?;
            }
            // The link itself holds an inlet.
            Ok(())
        };
        match carrying.await {
            Ok(()) => Ended::Stopped,
            Err(ended) => ended,
        }
    }

    /// Sends what waits, and no more.
    ///
    /// # Errors
    /// [`Ended`] when the other end is gone.
    pub(super) async fn carry_rest<W>(
        &mut self,
        outlet: &mut Outlet<W>,
        mut say: impl FnMut(ChannelId, Item<W>) -> Result<Option<Said>, WordError>,
    ) -> Result<(), Ended> {
        while let Some(first) = outlet.try_recv() {
            self.batch(first, outlet, &mut say)?;
            self.flush().await?;
        }
        self.flush().await
    }

    fn batch<W>(
        &mut self,
        first: (ChannelId, Item<W>),
        outlet: &mut Outlet<W>,
        say: &mut impl FnMut(ChannelId, Item<W>) -> Result<Option<Said>, WordError>,
    ) -> Result<(), Ended> {
        let mut next = Some(first);
        while let Some((channel, item)) = next {
            match say(channel, item)? {
                Some(Said::Word(text)) => self.feed(&text)?,
                Some(Said::Data(data)) => stream::put_data(&mut self.buffer, channel, &data)?,
                None => {}
            }
            next = if self.buffer.len() < BATCH { outlet.try_recv() } else { None };
        }
        Ok(())
    }
}

/// What goes out for one item.
#[derive(Debug)]
pub(super) enum Said {
    /// A word's text.
    Word(String),
    /// Bytes of its channel.
    Data(bytes::Bytes),
}
