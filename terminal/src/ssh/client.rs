//! The SSH client: one connection with one session channel for each terminal.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::link::{Exit, PtyRequest, Size, Trust};
use russh::client::{self, Handle, Msg};
use russh::{
    ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect, Preferred, Pty, Sig, cipher,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout, timeout_at};

use super::credential::Login;
use super::gate::{CHANNEL_MESSAGES, Gate, Gated};
use super::verifier::{Notes, Verifier};
use super::{REASON_CHARS, Target, host_key, shown};
use crate::backend::{Backend, Output, Sink as AnySink, Source as AnySource};
use crate::dial::dial;
use crate::question::Questions;
use crate::read_ahead::ReadAhead;
use crate::stream::{Absence, Passage};

/// Window of the channel, in bytes: what may be under way when a person presses Ctrl-C.
const WINDOW: u32 = 256 << 10;

/// A silent server is asked for a sign of life this often, and gone after so many unanswered.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVES: u32 = 3;

/// For a goodbye to be sent.
const GOODBYE: Duration = Duration::from_secs(1);

/// Dials the target, logs in and opens a shell, all within `limit` apart from a person's time.
pub(crate) async fn open(
    target: Target,
    questions: Questions,
    limit: Duration,
) -> Result<Backend, OpenError> {
    target.check()?;
    let deadline = Instant::now() + limit;
    let stream = dial(&target.host, target.port, target.addresses.as_deref(), deadline).await?;
    open_over(stream, Absence::default(), target, questions, deadline).await
}

/// As [`open`], from the host of a gateway.
pub(crate) async fn open_through(
    target: Target,
    questions: Questions,
    passage: &Passage,
    limit: Duration,
) -> Result<Backend, OpenError> {
    target.check()?;
    let deadline = Instant::now() + limit;
    let stream = passage.open(target.host.clone(), target.port, deadline).await?;
    let absence = stream.absence();
    open_over(stream, absence, target, questions, deadline).await
}

/// As [`open`], over a stream that leads to the target already.
async fn open_over<S>(
    stream: S,
    absence: Absence,
    target: Target,
    questions: Questions,
    deadline: Instant,
) -> Result<Backend, OpenError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let gate = Arc::new(Gate::default());
    let cut = Cut(Arc::clone(&gate));
    let notes = Arc::new(Notes::default());
    let config = Arc::new(config(&target.trust));
    let verifier = Verifier::new(target.trust, Arc::clone(&gate), Arc::clone(&notes));
    let stream = Gated::new(ReadAhead::new(stream), Arc::clone(&gate));
    let connecting = timeout_at(deadline, client::connect_stream(config, stream, verifier)).await;
    let mut handle = match connecting {
        Ok(Ok(handle)) => handle,
        Ok(Err(error)) => return Err(notes.take_refusal().unwrap_or_else(|| handshake(&error))),
        Err(_) => {
            let message = "the server did not finish the SSH handshake in time";
            return Err(OpenError::new(ErrorCode::Timeout, message));
        }
    };
    let host_key = notes.host_key();
    let login =
        Login::new(&mut handle, &target.username, &target.credential, &questions, deadline)?;
    // Who accepted the server's key need not do so again because of a wrong password.
    let deadline =
        login.run().await.map_err(|error| OpenError { host_key: host_key.clone(), ..error })?;
    let late = |_| OpenError::new(ErrorCode::Timeout, "the server did not start a shell in time");
    let opening = timeout_at(deadline, shell(&handle, &target.pty, &gate));
    let (read, write, pending) = opening.await.map_err(late)??;
    let writer = Box::new(write.make_writer());
    let mut keepalive = interval_at(Instant::now() + KEEPALIVE, KEEPALIVE);
    keepalive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let source = Source {
        read,
        handle,
        pending,
        exit: Exit::default(),
        notes,
        keepalive,
        unanswered: 0,
        received: gate.received(),
        gate,
        absence,
        cut,
    };
    let sink = Sink { write, writer };
    Ok(Backend { source: AnySource::Ssh(source), sink: AnySink::Ssh(sink), host_key })
}

fn config(trust: &Trust) -> client::Config {
    client::Config {
        client_id: russh::SshId::Standard(Cow::Borrowed("SSH-2.0-Gangplank")),
        window_size: WINDOW,
        channel_buffer_size: CHANNEL_MESSAGES,
        preferred: Preferred {
            key: host_key::algorithms(trust),
            cipher: Cow::Borrowed(&[
                cipher::AES_256_GCM,
                cipher::CHACHA20_POLY1305,
                cipher::AES_256_CTR,
                cipher::AES_192_CTR,
                cipher::AES_128_CTR,
            ]),
            compression: Cow::Borrowed(&[russh::compression::NONE]),
            ..Preferred::DEFAULT
        },
        // The source does it: while output waits, a missing answer proves nothing.
        keepalive_interval: None,
        inactivity_timeout: None,
        ..client::Config::default()
    }
}

fn handshake(error: &russh::Error) -> OpenError {
    let message = match error {
        russh::Error::NoCommonAlgo { .. } => {
            "this server and we have no SSH algorithm in common".to_owned()
        }
        russh::Error::Version => "what answers there is not an SSH server".to_owned(),
        russh::Error::Disconnect | russh::Error::IO(_) | russh::Error::HUP => {
            "the server closed the connection during the SSH handshake".to_owned()
        }
        error => format!("the SSH handshake failed: {}", shown(&error.to_string(), REASON_CHARS)),
    };
    OpenError::new(ErrorCode::Unreachable, message)
}

/// Opens the session channel with a terminal and a shell in it (RFC 4254 §6). Answers also the
/// output that came before the shell was confirmed.
async fn shell(
    handle: &Handle<Verifier>,
    pty: &PtyRequest,
    gate: &Gate,
) -> Result<(ChannelReadHalf, ChannelWriteHalf<Msg>, Bytes), OpenError> {
    let refused = |message| OpenError::new(ErrorCode::NotAllowed, message);
    let channel = handle
        .channel_open_session()
        .await
        .map_err(|_| refused("the server allows no session for this user"))?;
    let (mut read, write) = channel.split();
    let lost = |_| OpenError::new(ErrorCode::Unreachable, "the server closed the connection");
    let (cols, rows) = (u32::from(pty.size.cols()), u32::from(pty.size.rows()));
    write.request_pty(true, &pty.term, cols, rows, 0, 0, MODES).await.map_err(lost)?;
    let mut early = Vec::new();
    if !confirmed(&mut read, gate, &mut early).await {
        return Err(refused("the server allows no terminal for this user"));
    }
    write.request_shell(true).await.map_err(lost)?;
    if !confirmed(&mut read, gate, &mut early).await {
        return Err(refused("the server allows no shell for this user"));
    }
    Ok((read, write, Bytes::from(early)))
}

/// Terminal modes (RFC 4254 §8) that differ from what every server assumes.
const MODES: &[(Pty, u32)] = &[
    (Pty::ECHO, 1),
    (Pty::ICANON, 1),
    (Pty::ISIG, 1),
    (Pty::IUTF8, 1),
    (Pty::TTY_OP_ISPEED, 38_400),
    (Pty::TTY_OP_OSPEED, 38_400),
];

/// Waits for the answer to a channel request.
async fn confirmed(read: &mut ChannelReadHalf, gate: &Gate, early: &mut Vec<u8>) -> bool {
    loop {
        match read.wait().await {
            Some(ChannelMsg::Success) => return true,
            Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => {
                gate.taken(data.len());
                early.extend_from_slice(&data);
                if early.len() > WINDOW as usize {
                    return false;
                }
            }
            Some(ChannelMsg::Failure | ChannelMsg::Close) | None => return false,
            Some(_) => {}
        }
    }
}

/// Cuts the connection when it is dropped: russh's task ends with its stream.
#[derive(Debug)]
struct Cut(Arc<Gate>);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// The side from which output comes.
pub(crate) struct Source {
    read: ChannelReadHalf,
    handle: Handle<Verifier>,
    pending: Bytes,
    exit: Exit,
    gate: Arc<Gate>,
    absence: Absence,
    notes: Arc<Notes>,
    keepalive: Interval,
    unanswered: u32,
    received: u64,
    cut: Cut,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ssh::Source")
    }
}

impl Source {
    pub(crate) async fn next(&mut self, max: usize) -> Output {
        loop {
            if !self.pending.is_empty() {
                return Output::Data(self.pending.split_to(max.min(self.pending.len())));
            }
            let message = tokio::select! {
                message = self.read.wait() => message,
                _ = self.keepalive.tick() => {
                    if self.is_dead() {
                        return self.lost("the server no longer answers");
                    }
                    continue;
                }
            };
            match message {
                Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => {
                    self.gate.taken(data.len());
                    self.pending = data;
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    self.exit.exit_status = Some(exit_status);
                }
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    self.exit.signal = Some(name(&signal_name));
                }
                Some(ChannelMsg::Eof) => return Output::Eof,
                Some(ChannelMsg::Close) => return Output::End(std::mem::take(&mut self.exit)),
                Some(_) => {}
                None => {
                    let goodbye = self.notes.take_goodbye();
                    return self.lost(goodbye.as_deref().unwrap_or("it was closed"));
                }
            }
        }
    }

    fn lost(&mut self, why: &str) -> Output {
        let exit = std::mem::take(&mut self.exit);
        if exit.exit_status.is_some() || exit.signal.is_some() {
            return Output::End(exit);
        }
        let reason = Some(format!("the connection to the server was lost: {why}"));
        Output::End(Exit { reason, ..exit })
    }

    /// Counts intervals in which nothing came, and asks for a sign of life in each.
    fn is_dead(&mut self) -> bool {
        let received = self.gate.received();
        if received != self.received || self.absence.lasts() {
            self.received = received;
            self.unanswered = 0;
            return false;
        }
        self.unanswered += 1;
        // Where the request can't go out at once, the way is blocked, and the count goes on.
        let _ = self.handle.send_keepalive(true).now_or_never();
        self.unanswered > KEEPALIVES
    }

    /// Says goodbye and cuts the connection.
    pub(crate) async fn close(self, sink: Sink) {
        let Self { mut read, handle, cut, gate, pending, .. } = self;
        drop((sink, pending));
        let goodbye = async {
            // Either fails where the connection is gone already.
            let _ = handle.disconnect(Disconnect::ByApplication, "", "").await;
            // Output that nobody wants must not keep the goodbye's answer from being read.
            while let Some(message) = read.wait().await {
                if let ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } = message {
                    gate.taken(data.len());
                }
            }
        };
        let _ = timeout(GOODBYE, goodbye).await;
        drop(cut);
    }
}

fn name(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => shown(name, 32),
        // The variants are named as RFC 4254 §6.10 names the signals.
        signal => format!("{signal:?}"),
    }
}

/// The side to which input goes.
pub(crate) struct Sink {
    write: ChannelWriteHalf<Msg>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ssh::Sink")
    }
}

impl Sink {
    /// Waits for the server's window; the same bytes must come again after a cancelled call.
    pub(crate) async fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.writer.write(data).await
    }

    pub(crate) async fn resize(&mut self, size: Size) -> io::Result<()> {
        let (cols, rows) = (u32::from(size.cols()), u32::from(size.rows()));
        self.write.window_change(cols, rows, 0, 0).await.map_err(io::Error::other)
    }

    pub(crate) async fn eof(&mut self) -> io::Result<()> {
        self.write.eof().await.map_err(io::Error::other)
    }
}
