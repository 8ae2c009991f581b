//! A terminal's output and one viewer with a window.

use gangplank_terminal::playback::Playback;

use crate::choices::{Choices, passage};

/// The viewer's window.
const WINDOW: usize = 900;

struct Model {
    playback: Playback,
    bound: usize,
    said: Vec<u8>,
    /// What the viewer has, and how much of it the terminal knows of.
    seen: usize,
    acked: usize,
    shown: bool,
    ran_on: bool,
    /// What lies before it was overwritten while the terminal ran on.
    gone: usize,
}

impl Model {
    fn step(&mut self, kind: u8, choices: &mut Choices<'_>) {
        let left = WINDOW - (self.seen - self.acked).min(WINDOW);
        match kind {
            0 | 1 => self.say(choices.below(3000), if self.shown { left } else { 0 }),
            2 | 3 => self.replay(choices.below(3000).min(left)),
            4 if self.shown => {
                let shown = choices.below(self.seen - self.acked + 1);
                self.playback.acknowledge(shown as u32);
                self.acked += shown;
            }
            5 => {
                self.playback.detach();
                self.shown = false;
            }
            6 => {
                self.playback.run_on();
                self.ran_on |= !self.shown;
            }
            7 if !self.shown => self.attach(),
            // A viewer that is lost takes with it what it has not acknowledged.
            8 if !self.shown => self.seen = self.acked,
            _ => {}
        }
        assert_eq!(self.playback.end(), self.said.len() as u64);
    }

    fn say(&mut self, wanted: usize, window: usize) {
        let data = passage(self.said.len(), wanted.min(self.playback.room(window)));
        let sent = self.playback.push(&data);
        if sent {
            assert!(self.shown);
            assert_eq!(self.seen, self.said.len());
            self.seen += data.len();
        }
        self.said.extend(data);
    }

    fn replay(&mut self, window: usize) {
        if let Some(data) = self.playback.replay(window) {
            assert!(self.shown && !data.is_empty() && data.len() <= window);
            assert_eq!(data, self.said[self.seen..self.seen + data.len()]);
            self.seen += data.len();
        }
    }

    fn attach(&mut self) {
        let unseen = self.seen - self.acked;
        let attached = self.playback.attach(self.seen as u64, unseen as u32);
        let attached = attached.expect("it has seen only what was said");
        assert_eq!(attached.end, self.said.len() as u64);
        if self.ran_on {
            self.gone = self.gone.max(self.said.len().saturating_sub(self.bound));
        }
        let offset = attached.offset as usize;
        assert_eq!(offset, self.seen.max(self.gone), "held output was lost");
        (self.seen, self.acked) = (offset, offset - unseen);
        (self.shown, self.ran_on) = (true, false);
    }
}

/// Whatever happens between a terminal and its viewer, the viewer has an exact copy but for what was
/// declared lost, and nothing is lost while output is held.
pub fn playback(data: &[u8]) {
    let mut choices = Choices::new(data);
    let bound = 1000 + choices.below(4000);
    let playback = Playback::new(bound);
    let said = Vec::new();
    let (seen, acked, gone) = (0, 0, 0);
    let mut model = Model { playback, bound, said, seen, acked, shown: true, ran_on: false, gone };
    while let Some(kind) = choices.step(9) {
        model.step(kind, &mut choices);
    }
}
