//! A plain TCP stream as a backend (RFC 4254 §7.2), closed one direction at a time.

use std::io;
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
    Ok(backend(stream))
}

fn backend(stream: TcpStream) -> Backend {
    let (read, write) = stream.into_split();
    let source = AnySource::Tcp(Source { read, eof: false });
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
}

impl Sink {
    pub(crate) async fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.write.write(data).await
    }

    pub(crate) async fn eof(&mut self) -> io::Result<()> {
        self.write.shutdown().await
    }
}
