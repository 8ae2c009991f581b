//! A plain TCP stream as a backend (RFC 4254 §7.2), closed one direction at a time.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bytes::BytesMut;
use gangplank_proto::link::Exit;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::Instant;

use crate::backend::{Backend, Output, Sink as AnySink, Source as AnySource};
use crate::dial::dial;
use gangplank_proto::error::OpenError;

/// The stream's reading half.
#[derive(Debug)]
pub(crate) struct Source {
    read: OwnedReadHalf,
    eof: bool,
}

/// The stream's writing half.
#[derive(Debug)]
pub(crate) struct Sink {
    write: OwnedWriteHalf,
}

/// Connects within `limit`.
pub(crate) async fn open(host: &str, port: u16, limit: Duration) -> Result<Backend, OpenError> {
    let stream = dial(host, port, None, Instant::now() + limit).await?;
    Ok(backend(stream, false))
}

/// Goes on with a stream that another program has opened, and perhaps read to its end.
pub(crate) fn resume(stream: OwnedFd, eof: bool) -> io::Result<Backend> {
    Ok(backend(TcpStream::from_std(stream.into())?, eof))
}

fn backend(stream: TcpStream, eof: bool) -> Backend {
    let (read, write) = stream.into_split();
    let source = AnySource::Tcp(Source { read, eof });
    Backend { source, sink: AnySink::Tcp(Sink { write }), host_key: None }
}

impl Source {
    pub(crate) async fn next(&mut self, max: usize) -> Output {
        if self.eof {
            // The pump ends the stream once the other direction is closed as well.
            return std::future::pending().await;
        }
        let mut data = BytesMut::with_capacity(max);
        match (&mut self.read).take(max as u64).read_buf(&mut data).await {
            Ok(0) => {
                self.eof = true;
                Output::Eof
            }
            Ok(_) => Output::Data(data.freeze()),
            Err(error) => Output::End(Exit {
                reason: Some(format!("the connection broke: {error}")),
                ..Exit::default()
            }),
        }
    }

    /// Lets go of the stream, which stays open: answers whether it was read to its end, and itself.
    pub(crate) fn pass_on(self, sink: Sink) -> io::Result<(bool, OwnedFd)> {
        let stream = self.read.reunite(sink.write).map_err(io::Error::other)?;
        Ok((self.eof, stream.into_std()?.into()))
    }
}

impl Sink {
    pub(crate) async fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.write.write(data).await
    }

    pub(crate) async fn eof(&mut self) -> io::Result<()> {
        self.write.shutdown().await
    }
}
