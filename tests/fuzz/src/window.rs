//! Flow control between two ends.

use std::collections::VecDeque;

use gangplank_proto::window::{ReceiveWindow, SendWindow, WindowError};

use crate::choices::Choices;

/// Two ends, and what is on its way between them.
struct Ends {
    size: u32,
    sender: SendWindow,
    receiver: ReceiveWindow,
    bytes: VecDeque<usize>,
    grants: VecDeque<u32>,
    /// Came, and was not taken by the application.
    held: usize,
    sent: u64,
    received: u64,
}

impl Ends {
    /// Two ends of which the receiver holds bytes of an earlier sender.
    fn new(size: u32, held: usize) -> Self {
        let receiver = ReceiveWindow::with_outstanding(size, held);
        let sender = SendWindow::new(receiver.left());
        let (bytes, grants) = (VecDeque::new(), VecDeque::new());
        Self { size, sender, receiver, bytes, grants, held, sent: 0, received: 0 }
    }

    fn step(&mut self, kind: u8, choices: &mut Choices<'_>) {
        match kind {
            0 => {
                let sent = self.sender.take(choices.below(70_000));
                self.sent += sent as u64;
                self.bytes.push_back(sent);
            }
            1 => self.arrive(),
            2 => {
                let taken = choices.below(self.held + 1);
                self.held -= taken;
                self.grants.extend(self.receiver.consume(taken));
            }
            3 => self.grants.extend(self.receiver.report()),
            4 => self.granted(),
            5 => self.overrun(choices),
            6 => self.overflow(choices),
            _ => *self = Self::new(self.size, self.held),
        }
        self.hold();
    }

    fn arrive(&mut self) {
        if let Some(came) = self.bytes.pop_front() {
            self.receiver.receive(came).expect("a sender obeys its window");
            self.received += came as u64;
            self.held += came;
        }
    }

    fn granted(&mut self) {
        if let Some(granted) = self.grants.pop_front() {
            self.sender.adjust(granted).expect("a receiver grants what it has");
        }
    }

    /// A hostile sender is refused, and nothing changes.
    fn overrun(&mut self, choices: &mut Choices<'_>) {
        let before = self.receiver;
        let (sent, window) = (before.left() as usize + 1 + choices.below(70_000), before.left());
        assert_eq!(self.receiver.receive(sent), Err(WindowError::Overrun { sent, window }));
        assert_eq!(self.receiver, before);
    }

    /// A hostile receiver is refused, and nothing changes.
    fn overflow(&mut self, choices: &mut Choices<'_>) {
        let before = self.sender;
        let Some(most) = before.left().checked_sub(1 + choices.below(70_000)) else { return };
        let granted = u32::MAX - most as u32;
        assert_eq!(self.sender.adjust(granted), Err(WindowError::Overflow));
        assert_eq!(self.sender, before);
    }

    /// What always holds: never more is outstanding than the window, and none of it is forgotten.
    fn hold(&self) {
        let bytes: usize = self.bytes.iter().sum();
        let grants: u32 = self.grants.iter().sum();
        assert_eq!(self.sender.left() + bytes + grants as usize, self.receiver.left() as usize);
        assert!(self.receiver.left() as usize + self.held <= self.size as usize);
        assert_eq!((self.sender.offset(), self.receiver.offset()), (self.sent, self.received));
    }
}

/// Two ends never overrun the window, never forget a byte of it and never starve, whatever is late
/// between them, and whatever a hostile end says.
pub fn window(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut ends = Ends::new(1 + choices.below(66_000) as u32, 0);
    while let Some(kind) = choices.step(8) {
        ends.step(kind, &mut choices);
    }
    while !ends.bytes.is_empty() {
        ends.arrive();
    }
    ends.grants.extend(ends.receiver.consume(std::mem::take(&mut ends.held)));
    while !ends.grants.is_empty() {
        ends.granted();
    }
    ends.hold();
    assert!(ends.sender.left() > 0, "starved");
    ends.grants.extend(ends.receiver.report());
    ends.granted();
    assert_eq!(ends.sender.left(), ends.size as usize, "a part of the window is lost");
}
