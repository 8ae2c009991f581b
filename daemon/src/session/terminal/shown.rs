//! A terminal that is open and looked at: bytes both ways, counted, and its end.

use bytes::Bytes;
use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::id::{ConnectionId, SessionId};
use gangplank_proto::link::{Exit, Size, ToTerminal};
use gangplank_proto::terminal::{ConnectionMode, HostKeyState, ToPage};
use gangplank_terminal::input_log::InputLog;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::super::Place;
use super::super::page::Vocabulary;
use super::{LAST_LOOK, State, Terminal};
use crate::clock::Timestamp;
use crate::socket::End;

/// Input that waits for the terminal; beyond it the page is read no more.
pub(super) const PENDING: usize = 2 << 20;

/// What is known of an open terminal, apart from the channel to it.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) session_id: SessionId,
    pub(super) mode: ConnectionMode,
    pub(super) host_key: HostKeyState,
    pub(super) size: Size,
    /// The link that carries it out of this process.
    pub(super) link: Option<ConnectionId>,
    pub(super) place: Place,
    /// What the page sent and the terminal may not have yet.
    pub(super) log: InputLog,
    /// Output sent to the page, and what of it the page has shown.
    pub(super) output: u64,
    pub(super) seen: u64,
    pub(super) last_output_at: Option<Timestamp>,
}

impl Shown {
    /// Whether its keeper keeps it when nobody shows it. An agent that checks no host keys keeps no
    /// terminals either: both mark PatchMon's.
    pub(super) fn is_kept(&self) -> bool {
        self.host_key != HostKeyState::Unverified
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Terminal<S> {
    /// Input waits while there is no way to the terminal, and goes nowhere when there is none.
    pub(super) async fn typed(&mut self, data: Bytes) -> Result<(), End> {
        let log = match &mut self.state {
            State::Opening(opening, _) => Some(&mut opening.typed),
            State::Open(shown, _) => Some(&mut shown.log),
            State::Away(reaching) | State::Reaching(reaching, _) => reaching.log.as_mut(),
            // Nobody takes it any more; its end is on the way.
            State::Waiting(_) | State::Over(..) | State::Told(..) => return Ok(()),
            State::Idle => None,
        };
        let Some(log) = log else {
            let error = OpenError::new(ErrorCode::NoSuchSession, "no terminal is open here");
            return self.page.error(error).await;
        };
        log.push(data);
        self.give();
        Ok(())
    }

    /// Gives the terminal what it takes of the waiting input.
    pub(super) fn give(&mut self) {
        if let State::Open(shown, channel) = &mut self.state {
            // A terminal that is gone says so on its own way.
            let _ = channel.input.send(&mut shown.log);
        }
    }

    /// The terminal has more of the input.
    pub(super) async fn acknowledge(&mut self) -> Result<(), End> {
        let State::Open(shown, channel) = &mut self.state else { return Ok(()) };
        match shown.log.confirm(channel.output.input_taken()) {
            Ok(true) if self.page.vocabulary() == Vocabulary::V1 => {
                let input_offset = shown.log.confirmed();
                self.page.word(&ToPage::Ack { input_offset }).await
            }
            Ok(_) => Ok(()),
            Err(error) => {
                self.broken(&error.to_string());
                Ok(())
            }
        }
    }

    /// The page has shown its output up to `offset`.
    pub(super) async fn show(&mut self, offset: u64) -> Result<(), End> {
        let (output, seen, channel) = match &mut self.state {
            State::Open(shown, channel) | State::Over(shown, channel, _) => {
                (shown.output, &mut shown.seen, Some(channel))
            }
            State::Reaching(reaching, channel) => {
                (reaching.output, &mut reaching.seen, Some(channel))
            }
            State::Away(reaching) => (reaching.output, &mut reaching.seen, None),
            State::Idle | State::Waiting(_) | State::Opening(..) | State::Told(..) => {
                return Ok(());
            }
        };
        let newly = offset.min(output).saturating_sub(*seen);
        *seen += newly;
        if let (Some(channel), Ok(newly)) = (channel, usize::try_from(newly)) {
            channel.output.consumed(newly);
        }
        self.finish_when_seen().await
    }

    pub(super) fn resize(&mut self, size: Size) {
        match &mut self.state {
            State::Open(shown, _) => shown.size = size,
            State::Opening(opening, _) => opening.size = size,
            State::Away(reaching) | State::Reaching(reaching, _) => reaching.at.size = size,
            State::Waiting(waiting) => waiting.resize(size),
            State::Idle | State::Over(..) | State::Told(..) => {}
        }
        self.tell(ToTerminal::Resize(size));
    }

    /// The terminal ended by itself. A page that acknowledges shows everything before it hears so.
    pub(super) async fn over(&mut self, exit: Exit) -> Result<(), End> {
        let State::Open(..) = &self.state else { return Ok(()) };
        if let State::Open(shown, channel) = std::mem::replace(&mut self.state, State::Idle) {
            self.give_up_at = Some(Instant::now() + LAST_LOOK);
            self.state = State::Over(shown, channel, exit);
        }
        self.finish_when_seen().await
    }

    async fn finish_when_seen(&mut self) -> Result<(), End> {
        let State::Over(shown, ..) = &self.state else { return Ok(()) };
        if self.page.vocabulary() == Vocabulary::V1 && shown.seen < shown.output {
            return Ok(());
        }
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Over(shown, channel, exit) => self.finish(shown, channel, exit).await,
            _ => Ok(()),
        }
    }

    /// Measures the way to the terminal for the page.
    pub(super) async fn probe(&mut self, id: u64) -> Result<(), End> {
        if matches!(self.state, State::Open(..)) {
            self.probe = Some((id, Instant::now()));
            self.tell(ToTerminal::Probe { id });
            return Ok(());
        }
        self.page.word(&ToPage::Latency { id, daemon_us: 0, agent_us: None, host_us: None }).await
    }

    pub(super) async fn probed(&mut self, id: u64, host_us: Option<u64>) -> Result<(), End> {
        let asked = self.probe.take_if(|(asked, _)| *asked == id);
        let (Some((_, at)), State::Open(shown, _)) = (asked, &self.state) else { return Ok(()) };
        let took = u64::try_from(at.elapsed().as_micros()).unwrap_or(u64::MAX);
        // Our own keeper is a part of the daemon.
        let (daemon_us, agent_us) =
            if shown.mode == ConnectionMode::Direct { (took, None) } else { (0, Some(took)) };
        self.page.word(&ToPage::Latency { id, daemon_us, agent_us, host_us }).await
    }
}
