//! The two ends of a terminal's channel: [`Channel`] for whoever shows it, [`TerminalEnd`] for the
//! terminal itself. Both speak [`gangplank_proto::link`]'s words and count bytes; between them lies
//! one queue each way, in one process or with a link in the middle.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gangplank_proto::id::ChannelId;
use gangplank_proto::limit;
use gangplank_proto::link::{FromTerminal, ToTerminal};
use gangplank_proto::window::{ReceiveWindow, SendWindow, WindowError};
use tokio::sync::Notify;

use crate::input_log::InputLog;
use crate::queue::{Inlet, Item, Outlet, PushError, queue};

/// Bytes of input that wait in a queue at most: what its window allows.
pub const LANE_BYTES: usize = limit::TERMINAL_WINDOW as usize;

/// The end of whoever shows the terminal.
#[derive(Debug)]
pub struct Channel {
    /// Where keys and words go in.
    pub input: ChannelInput,
    /// Where output and words come out.
    pub output: ChannelOutput,
}

/// Where keys and words to a terminal go in.
#[derive(Debug)]
pub struct ChannelInput {
    inlet: Inlet<ToTerminal>,
    window: Arc<InputWindow>,
}

/// Where a terminal's output and words come out.
#[derive(Debug)]
pub struct ChannelOutput {
    outlet: Outlet<FromTerminal>,
    adjust: Inlet<ToTerminal>,
    received: ReceiveWindow,
    window: Arc<InputWindow>,
    /// Offset before which the terminal has all input.
    input_taken: u64,
}

/// The terminal's input window, filled by the words that come out and spent by the keys that go in.
#[derive(Debug)]
struct InputWindow {
    left: Mutex<SendWindow>,
    /// One task sends; `notify_one` keeps a permit for it when it doesn't wait yet.
    grown: Notify,
}

impl InputWindow {
    fn grow(&self, bytes: u32) -> Result<(), WindowError> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).adjust(bytes)?;
        self.grown.notify_one();
        Ok(())
    }

    fn left(&self) -> usize {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).left()
    }

    fn take(&self, wanted: usize) -> usize {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).take(wanted)
    }
}

impl Channel {
    /// Joins the ways to and from a terminal. `window` is what the terminal may send before the
    /// first [`ChannelOutput::consumed`].
    #[must_use]
    pub fn new(to: Inlet<ToTerminal>, from: Outlet<FromTerminal>, window: u32) -> Self {
        let input_window =
            Arc::new(InputWindow { left: Mutex::new(SendWindow::new(0)), grown: Notify::new() });
        let output = ChannelOutput {
            outlet: from,
            adjust: to.clone(),
            received: ReceiveWindow::new(window),
            window: Arc::clone(&input_window),
            input_taken: 0,
        };
        Self { input: ChannelInput { inlet: to, window: input_window }, output }
    }

    /// `outstanding` bytes that an earlier channel brought were not shown yet: the window of this one
    /// is said without them.
    #[must_use]
    pub fn with_outstanding(mut self, window: u32, outstanding: usize) -> Self {
        self.output.received = ReceiveWindow::with_outstanding(window, outstanding);
        self
    }

    /// Both ends of a channel within one process, with an output window in bytes.
    #[must_use]
    pub fn pair(window: u32) -> (Self, TerminalEnd) {
        let (to, input) = queue(ChannelId(0), LANE_BYTES);
        let (output, from) = queue(ChannelId(0), window as usize);
        (Self::new(to, from, window), TerminalEnd::new(input, output, window))
    }
}

impl ChannelInput {
    /// Says a word to the terminal.
    ///
    /// # Errors
    /// [`PushError`] when the terminal is gone or takes no more.
    pub fn word(&self, word: ToTerminal) -> Result<(), PushError> {
        self.inlet.word(word)
    }

    /// A way to answer the terminal later, from another task.
    #[must_use]
    pub fn answer(&self) -> Inlet<ToTerminal> {
        self.inlet.clone()
    }

    /// Ends the terminal.
    pub fn close(&self) {
        // A terminal that is gone has ended.
        let _ = self.inlet.vital_word(ToTerminal::Close);
    }

    /// Waits until the terminal takes input. Before it is connected it takes none. Cancel safe.
    pub async fn writable(&self) {
        while self.window.left() == 0 {
            self.window.grown.notified().await;
        }
    }

    /// Sends as much of `log` as the terminal takes now, in pieces.
    ///
    /// # Errors
    /// [`PushError`] when the terminal is gone.
    pub fn send(&self, log: &mut InputLog) -> Result<(), PushError> {
        while let Some(data) = log.next(self.window.take(log.next_len().min(limit::PIECE))) {
            self.inlet.data(data)?;
        }
        Ok(())
    }
}

/// Leaving is said, so that a terminal at the far end of a link hears of it too.
impl Drop for ChannelInput {
    fn drop(&mut self) {
        // A terminal that is gone already needs no goodbye.
        let _ = self.inlet.vital_word(ToTerminal::Detach);
    }
}

impl ChannelOutput {
    /// The terminal's next word or bytes, or nothing when it is gone. Cancel safe.
    ///
    /// # Errors
    /// [`WindowError`] when the terminal breaks the rules of its windows.
    pub async fn recv(&mut self) -> Result<Option<Item<FromTerminal>>, WindowError> {
        let Some((_, item)) = self.outlet.recv().await else { return Ok(None) };
        self.look(&item)?;
        Ok(Some(item))
    }

    /// The next word or bytes, if any wait.
    ///
    /// # Errors
    /// [`WindowError`] when the terminal breaks the rules of its windows.
    pub fn try_recv(&mut self) -> Result<Option<Item<FromTerminal>>, WindowError> {
        let Some((_, item)) = self.outlet.try_recv() else { return Ok(None) };
        self.look(&item)?;
        Ok(Some(item))
    }

    /// Offset before which the terminal has all input, as far as it has said.
    #[must_use]
    pub fn input_taken(&self) -> u64 {
        self.input_taken
    }

    /// Says that `len` bytes of output were shown, so that the terminal may send as many more.
    pub fn consumed(&mut self, len: usize) {
        if let Some(bytes) = self.received.consume(len) {
            // A terminal that is gone needs no window; its end comes out of `recv`.
            let _ = self.adjust.vital_word(ToTerminal::WindowAdjust { bytes });
        }
    }

    fn look(&mut self, item: &Item<FromTerminal>) -> Result<(), WindowError> {
        match item {
            Item::Data(data) => self.received.receive(data.len()),
            Item::Word(FromTerminal::WindowAdjust { bytes }) => {
                self.input_taken += u64::from(*bytes);
                self.window.grow(*bytes)
            }
            Item::Word(FromTerminal::Connected { window, input_offset, .. }) => {
                // What an earlier viewer sent takes up some of the window until it is taken.
                let pending = limit::TERMINAL_WINDOW.saturating_sub(*window);
                self.input_taken = input_offset.saturating_sub(pending.into());
                self.window.grow(*window)
            }
            Item::Word(_) => Ok(()),
        }
    }
}

/// The terminal's own end.
#[derive(Debug)]
pub struct TerminalEnd {
    input: Outlet<ToTerminal>,
    output: Inlet<FromTerminal>,
    window: SendWindow,
    received: ReceiveWindow,
}

impl TerminalEnd {
    /// Joins the ways from and to a viewer, which takes `window` bytes before it grants more.
    #[must_use]
    pub fn new(input: Outlet<ToTerminal>, output: Inlet<FromTerminal>, window: u32) -> Self {
        let received = ReceiveWindow::new(limit::TERMINAL_WINDOW);
        Self { input, output, window: SendWindow::new(window), received }
    }

    /// `pending` bytes of input from an earlier viewer wait for the shell.
    #[must_use]
    pub fn with_pending(self, pending: usize) -> Self {
        let received = ReceiveWindow::with_outstanding(limit::TERMINAL_WINDOW, pending);
        Self { received, ..self }
    }

    /// Input window to announce in [`FromTerminal::Connected`], in bytes.
    #[must_use]
    pub fn input_window(&self) -> u32 {
        self.received.left()
    }

    /// Bytes of output that the viewer takes now.
    #[must_use]
    pub fn writable(&self) -> usize {
        self.window.left()
    }

    /// Sends output. The caller keeps within [`Self::writable`].
    ///
    /// # Errors
    /// [`PushError`] when the viewer is gone, or when there is more than the window allows.
    pub fn send(&mut self, data: Bytes) -> Result<(), PushError> {
        if self.window.take(data.len()) < data.len() {
            return Err(PushError::Full);
        }
        self.output.data(data)
    }

    /// Says a word to the viewer.
    ///
    /// # Errors
    /// [`PushError`] when the viewer is gone.
    pub fn word(&self, word: FromTerminal) -> Result<(), PushError> {
        self.output.word(word)
    }

    /// Throws away what the viewer was to get and has not left yet.
    pub fn discard(&self) {
        self.output.discard();
    }

    /// The viewer's next word or input, or nothing when it is gone. An adjustment of the output
    /// window is dealt with and shown too, because it may be what the terminal waits for. Cancel
    /// safe.
    ///
    /// # Errors
    /// [`WindowError`] when the viewer breaks the rules of its windows.
    pub async fn recv(&mut self) -> Result<Option<Item<ToTerminal>>, WindowError> {
        let Some((_, item)) = self.input.recv().await else { return Ok(None) };
        match &item {
            Item::Word(ToTerminal::WindowAdjust { bytes }) => self.window.adjust(*bytes)?,
            Item::Word(_) => {}
            Item::Data(data) => self.received.receive(data.len())?,
        }
        Ok(Some(item))
    }

    /// Says that `len` bytes of input were taken by the shell.
    pub fn consumed(&mut self, len: usize) {
        if let Some(bytes) = self.received.consume(len) {
            // A viewer that is gone needs no window; its end comes out of `recv`.
            let _ = self.output.vital_word(FromTerminal::WindowAdjust { bytes });
        }
    }

    /// Whether input was taken that the viewer doesn't know of.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.received.has_news()
    }

    /// Tells the viewer of all input that was taken.
    pub fn report(&mut self) {
        if let Some(bytes) = self.received.report() {
            // As above.
            let _ = self.output.vital_word(FromTerminal::WindowAdjust { bytes });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn connected(end: &TerminalEnd) -> FromTerminal {
        let window = end.input_window();
        FromTerminal::Connected { offset: 0, end: 0, input_offset: 0, window, host_key: None }
    }

    #[tokio::test]
    async fn input_waits_for_the_terminal_s_window() {
        let (channel, mut end) = Channel::pair(1024);
        let Channel { input, mut output } = channel;
        let sent = 3 * LANE_BYTES;
        let sender = tokio::spawn(async move {
            let mut log = InputLog::default();
            log.push(Bytes::from(vec![b'x'; sent]));
            while log.waiting() > 0 {
                input.writable().await;
                input.send(&mut log).unwrap();
            }
            input
        });
        end.word(connected(&end)).unwrap();
        let viewer = tokio::spawn(async move { while output.recv().await.unwrap().is_some() {} });
        let mut got = 0;
        while got < sent {
            let Some(Item::Data(data)) = end.recv().await.unwrap() else { panic!("no data") };
            got += data.len();
            end.consumed(data.len());
        }
        drop(sender.await.unwrap());
        drop(end);
        viewer.await.unwrap();
    }

    #[tokio::test]
    async fn output_stops_at_the_window_and_goes_on_when_it_was_shown() {
        let (mut channel, mut end) = Channel::pair(1024);
        assert_eq!(end.writable(), 1024);
        end.send(Bytes::from(vec![b'x'; 1024])).unwrap();
        assert_eq!(end.send(Bytes::from_static(b"x")), Err(PushError::Full));
        let Ok(Some(Item::Data(data))) = channel.output.recv().await else { panic!("no data") };
        channel.output.consumed(data.len());
        assert!(matches!(
            end.recv().await.unwrap(),
            Some(Item::Word(ToTerminal::WindowAdjust { bytes: 1024 }))
        ));
        assert_eq!(end.writable(), 1024);
    }

    #[tokio::test]
    async fn a_viewer_that_leaves_says_so() {
        let (channel, mut end) = Channel::pair(1024);
        drop(channel);
        let goodbye = end.recv().await.unwrap();
        assert!(matches!(goodbye, Some(Item::Word(ToTerminal::Detach))), "{goodbye:?}");
        assert!(end.recv().await.unwrap().is_none());
        assert_eq!(end.send(Bytes::from_static(b"x")), Err(PushError::Gone));
    }
}
