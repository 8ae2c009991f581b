//! A terminal that goes from one program to the next: laid to rest by the one, taken up by the other.

use std::io;

use gangplank_proto::link::Exit;

use super::{Environment, Reached, Terminal};
use crate::backend::Backend;
use crate::echo::Echo;
use crate::frozen::{self, Frozen, Held, State};
use crate::input::Input;
use crate::playback::Playback;
use crate::stop::Leaving;
use crate::turns::Turns;
use crate::{lent, pty, tcp};

/// Goes on with a terminal that another program has laid to rest, and runs it until it is gone.
pub(crate) async fn resume(frozen: Frozen, reached: Reached, environment: Environment) {
    let Frozen { state, output, input, held_by } = frozen;
    let (backend, over) = match take_up(state.held, held_by, &environment) {
        Ok(Ok(backend)) => (Some(backend), None),
        Ok(Err(exit)) => (None, Some(exit)),
        Err(error) => {
            let session_id = reached.session_id;
            tracing::warn!(%session_id, %error, "a terminal can't be gone on with");
            (None, Some(Exit::because("the new program can't go on with it")))
        }
    };
    let now = tokio::time::Instant::now();
    reached.progress.opened(backend.as_ref().is_none_or(Backend::lasts));
    let mut terminal = Terminal {
        backend,
        host_key: None,
        playback: Playback::thaw(state.playback, output, environment.ring()),
        input: Input::thaw(state.input, input),
        accepted: state.accepted,
        echo: Echo::default(),
        reached,
        viewer: None,
        plain: state.plain,
        keep: state.keep,
        left_at: Some(now.checked_sub(frozen::since(state.left_at)).unwrap_or(now)),
        report_at: None,
        over,
        eof: state.eof,
        turns: Turns::default(),
    };
    if terminal.backend.is_none() {
        terminal.input.break_off();
    }
    terminal.live(&environment.leaving).await;
}

/// The backend, or how it ended.
fn take_up(
    held: Held,
    held_by: Vec<std::os::fd::OwnedFd>,
    environment: &Environment,
) -> io::Result<Result<Backend, Exit>> {
    let mut held_by = held_by.into_iter();
    let mut next = || held_by.next().ok_or_else(|| io::Error::other("a descriptor is missing"));
    let backend = match held {
        Held::Pty { session, exit } => {
            let pty = next()?;
            let process = exit.map_or_else(|| next().map(Ok), |exit| Ok(Err(exit)))?;
            pty::resume(pty, process, session, environment.hangup_grace)?
        }
        Held::Lent { exit } => {
            let pty = next()?;
            let line = exit.map_or_else(|| next().map(Ok), |exit| Ok(Err(exit)))?;
            lent::resume(environment.lender.as_ref(), pty, line)?
        }
        Held::Tcp { eof } => tcp::resume(next()?, eof)?,
        Held::Over { exit } => return Ok(Err(exit)),
    };
    Ok(Ok(backend))
}

impl Terminal {
    /// Whether another program can go on with it.
    pub(super) fn lasts(&self) -> bool {
        self.backend.as_ref().is_none_or(Backend::lasts)
    }

    /// Leaves all of it to another program. Its viewer, if it has one, is not told: it comes back
    /// there.
    pub(super) fn leave(mut self, leaving: &Leaving) {
        if self.viewer.is_some() {
            self.detach();
        }
        let session_id = self.reached.session_id;
        match self.freeze() {
            Ok(frozen) => leaving.put(frozen),
            Err(error) => tracing::warn!(%session_id, %error, "a terminal can't be left"),
        }
    }

    fn freeze(self) -> io::Result<Frozen> {
        let Self { backend, over, playback, input, left_at, reached, .. } = self;
        let (held, held_by) = match backend {
            Some(backend) => backend.pass_on()?,
            None => (Held::Over { exit: over.unwrap_or_default() }, Vec::new()),
        };
        let (playback, output) = playback.freeze();
        let (input, input_bytes) = input.freeze();
        let state = State {
            session_id: reached.session_id,
            held,
            plain: self.plain,
            keep: self.keep,
            playback,
            output_len: output.len() as u64,
            input,
            input_len: input_bytes.len() as u64,
            accepted: self.accepted,
            eof: self.eof,
            left_at: frozen::before(left_at.map(|left_at| left_at.elapsed()).unwrap_or_default()),
            said_at: frozen::before(reached.progress.quiet()),
        };
        Ok(Frozen { state, output, input: input_bytes, held_by })
    }
}
