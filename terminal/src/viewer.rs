//! Whoever shows a terminal, which is told of its end exactly once, whatever happens to the
//! terminal's task.

use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::link::{Exit, FromTerminal};

use crate::channel::TerminalEnd;

/// The end of a channel that a viewer holds the other end of.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) end: TerminalEnd,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Opening,
    Open,
    /// It heard its last word.
    Closed,
}

impl Viewer {
    /// A viewer that waits for the terminal.
    pub(crate) fn opening(end: TerminalEnd) -> Self {
        Self { end, state: State::Opening }
    }

    /// Bytes of output that it takes now.
    pub(crate) fn writable(&self) -> usize {
        if self.state == State::Open { self.end.writable() } else { 0 }
    }

    pub(crate) fn connected(&mut self, word: FromTerminal) {
        self.state = State::Open;
        // A viewer that is gone is noticed where it is heard.
        let _ = self.end.word(word);
    }

    /// The terminal ended; said once.
    pub(crate) fn tell_end(&mut self, exit: &Exit) {
        if self.state != State::Closed {
            self.last_word(FromTerminal::Close(exit.clone()));
        }
    }

    pub(crate) fn last_word(&mut self, word: FromTerminal) {
        self.state = State::Closed;
        // Nobody may be left to tell.
        let _ = self.end.word(word);
    }

    /// It went by itself, and needs no goodbye nor what was on its way. On a link that does not
    /// move, the output of viewers who come and go would add up.
    pub(crate) fn leave(mut self) {
        self.state = State::Closed;
        self.end.discard();
    }

    /// Another has its place; it gets the rest by coming back.
    pub(crate) fn replaced(mut self) {
        self.end.discard();
        self.last_word(FromTerminal::Detached);
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let reason = "the terminal broke";
        match self.state {
            State::Opening => {
                self.last_word(FromTerminal::Error(OpenError::new(ErrorCode::Internal, reason)));
            }
            State::Open => self.last_word(FromTerminal::Close(Exit::because(reason))),
            State::Closed => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::channel::Channel;
    use crate::queue::Item;

    #[tokio::test]
    async fn a_task_that_breaks_still_says_its_last_word() {
        for state in [State::Opening, State::Open, State::Closed] {
            let (mut channel, end) = Channel::pair(1024);
            let task = tokio::spawn(async move {
                let _viewer = Viewer { end, state };
                panic!("broken on purpose");
            });
            assert!(task.await.unwrap_err().is_panic());
            match (state, channel.output.recv().await.unwrap()) {
                (State::Opening, Some(Item::Word(FromTerminal::Error(error)))) => {
                    assert_eq!(error.code, ErrorCode::Internal);
                }
                (State::Open, Some(Item::Word(FromTerminal::Close(exit)))) => {
                    assert!(exit.reason.is_some());
                }
                (State::Closed, None) => continue,
                other => panic!("unexpected: {other:?}"),
            }
            assert!(channel.output.recv().await.unwrap().is_none());
        }
    }
}
