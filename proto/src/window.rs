//! Flow control by bytes, both ways (RFC 4254 §5.2 in spirit): a sender spends a window that the
//! receiver refills. Pure state; both ends of a link and both ends of an in-process channel use it.

/// Why a peer's bytes or its window adjustment are refused. Both mean that the peer is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// More bytes came than the window allowed.
    #[error("the peer sent {sent} bytes into a window of {window}")]
    Overrun {
        /// Bytes that came.
        sent: usize,
        /// Bytes that were allowed.
        window: u32,
    },
    /// An adjustment would lift the window above `u32::MAX`.
    #[error("the peer's window adjustment overflows")]
    Overflow,
}

/// What a sender may still send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendWindow {
    left: u32,
    offset: u64,
}

impl SendWindow {
    /// A window of `size` bytes at stream offset 0.
    #[must_use]
    pub fn new(size: u32) -> Self {
        Self { left: size, offset: 0 }
    }

    /// Bytes that may be sent now.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left as usize
    }

    /// Bytes sent since the channel opened.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes up to `wanted` bytes out of the window and says how many.
    pub fn take(&mut self, wanted: usize) -> usize {
        let taken = u32::try_from(wanted).unwrap_or(u32::MAX).min(self.left);
        self.left -= taken;
        self.offset += u64::from(taken);
        taken as usize
    }

    /// Adds what the receiver granted.
    ///
    /// # Errors
    /// [`WindowError::Overflow`] when the sum does not fit.
    pub fn adjust(&mut self, granted: u32) -> Result<(), WindowError> {
        self.left = self.left.checked_add(granted).ok_or(WindowError::Overflow)?;
        Ok(())
    }
}

/// What a receiver still takes, and when it is worth telling the sender of more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiveWindow {
    size: u32,
    left: u32,
    consumed: u32,
    offset: u64,
}

impl ReceiveWindow {
    /// A window of `size` bytes at stream offset 0.
    #[must_use]
    pub fn new(size: u32) -> Self {
        Self { size, left: size, consumed: 0, offset: 0 }
    }

    /// A window of `size` bytes of which `outstanding` are taken up already, by what an earlier
    /// sender sent and the application has not taken yet.
    #[must_use]
    pub fn with_outstanding(size: u32, outstanding: usize) -> Self {
        let outstanding = u32::try_from(outstanding).unwrap_or(u32::MAX).min(size);
        Self { left: size - outstanding, ..Self::new(size) }
    }

    /// Bytes that the sender may send before the next adjustment.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.left
    }

    /// Bytes received since the channel opened.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Counts bytes that came.
    ///
    /// # Errors
    /// [`WindowError::Overrun`] when they are more than the window allowed.
    pub fn receive(&mut self, len: usize) -> Result<(), WindowError> {
        let overrun = WindowError::Overrun { sent: len, window: self.left };
        let len32 = u32::try_from(len).map_err(|_| overrun)?;
        self.left = self.left.checked_sub(len32).ok_or(overrun)?;
        self.offset += u64::from(len32);
        Ok(())
    }

    /// Counts bytes that the application took. Answers the adjustment to send once half of the
    /// window was taken, so that adjustments cost little and the sender never runs dry.
    pub fn consume(&mut self, len: usize) -> Option<u32> {
        let outstanding = self.size - self.left;
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.consumed = self.consumed.saturating_add(len).min(outstanding);
        if self.consumed < self.size / 2 { None } else { self.report() }
    }

    /// Whether the application took bytes that the sender doesn't know of.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.consumed > 0
    }

    /// The adjustment for everything that the application took, however little.
    pub fn report(&mut self) -> Option<u32> {
        let granted = std::mem::take(&mut self.consumed);
        self.left += granted;
        (granted > 0).then_some(granted)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_overrun_is_refused_and_changes_nothing() {
        let mut window = ReceiveWindow::new(10);
        window.receive(10).unwrap();
        let before = window;
        assert_eq!(window.receive(1), Err(WindowError::Overrun { sent: 1, window: 0 }));
        assert_eq!(window, before);
    }

    #[test]
    fn an_adjustment_can_not_overflow() {
        let mut window = SendWindow::new(u32::MAX);
        assert_eq!(window.adjust(1), Err(WindowError::Overflow));
    }

    proptest! {
        /// Two ends that follow the rules never overrun and never starve, whatever the sizes.
        #[test]
        fn two_ends_move_every_byte(size in 1u32..100_000, wants in prop::collection::vec(1usize..50_000, 1..200)) {
            let mut sender = SendWindow::new(size);
            let mut receiver = ReceiveWindow::new(size);
            let mut total = 0u64;
            for want in wants {
                let mut left = want;
                while left > 0 {
                    let sent = sender.take(left);
                    prop_assert!(sent > 0, "starved with {left} to go");
                    receiver.receive(sent).unwrap();
                    if let Some(granted) = receiver.consume(sent) {
                        sender.adjust(granted).unwrap();
                    }
                    total += sent as u64;
                    left -= sent;
                }
            }
            prop_assert_eq!(sender.offset(), total);
            prop_assert_eq!(receiver.offset(), total);
        }
    }
}
