//! A terminal and whoever shows it: what is said, what was missed, and who comes and goes.

use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::link::{Exit, FromTerminal};
use tokio::time::Instant;

use super::{Attach, Next, Terminal};
use crate::viewer::Viewer;

impl Terminal {
    /// Sends what the viewer missed, as far as it has room.
    pub(super) fn replay(&mut self) {
        let Some(viewer) = &mut self.viewer else { return };
        while let Some(data) = self.playback.replay(viewer.writable()) {
            if viewer.end.send(data).is_err() {
                return;
            }
        }
    }

    /// The viewer hears of the end once it was sent everything.
    pub(super) fn tell_end(&mut self) {
        if let Some(exit) = &self.over
            && let Some(viewer) = &mut self.viewer
            && self.playback.is_caught_up()
        {
            viewer.tell_end(exit);
        }
    }

    /// The last viewer, if there is one, hears of the end whatever it has seen.
    pub(super) fn farewell(mut self) {
        let exit = self.over.take().unwrap_or_else(|| Exit::because("the terminal broke"));
        if let Some(mut viewer) = self.viewer.take() {
            viewer.tell_end(&exit);
        }
    }

    pub(super) fn word(&self, word: FromTerminal) {
        if let Some(viewer) = &self.viewer {
            // A viewer that is gone is noticed where it is heard.
            let _ = viewer.end.word(word);
        }
    }

    pub(super) fn connected(&mut self, offset: u64, end: u64) {
        let (input_offset, host_key) = (self.accepted, self.host_key.clone());
        if let Some(viewer) = &mut self.viewer {
            let window = viewer.end.input_window();
            viewer.connected(FromTerminal::Connected {
                offset,
                end,
                input_offset,
                window,
                host_key,
            });
        }
    }

    pub(super) fn attach(&mut self, attach: Attach) -> Next {
        let Attach { end, offset, unseen, size, keep } = attach;
        let attached = match self.playback.attach(offset, unseen) {
            Ok(attached) => attached,
            Err(error) => {
                let error = OpenError::new(ErrorCode::BadRequest, error.to_string());
                Viewer::opening(end).last_word(FromTerminal::Error(error));
                return Next::GoOn;
            }
        };
        if let Some(before) = self.viewer.take() {
            before.replaced();
        }
        self.viewer = Some(Viewer::opening(end.with_pending(self.input.pending_len())));
        (self.keep, self.left_at, self.report_at) = (keep, None, None);
        self.reached.progress.attached(true);
        self.connected(attached.offset, attached.end);
        if self.eof {
            self.word(FromTerminal::Eof);
        }
        if let (Some(size), Some(_)) = (size, &self.backend) {
            self.input.resize(size);
        }
        Next::GoOn
    }

    /// The viewer is gone; the terminal is kept.
    pub(super) fn detach(&mut self) -> Next {
        if let Some(viewer) = self.viewer.take() {
            viewer.leave();
        }
        self.playback.detach();
        (self.left_at, self.report_at) = (Some(Instant::now()), None);
        self.reached.progress.attached(false);
        Next::GoOn
    }
}
