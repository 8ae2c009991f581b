//! Inputs that a seed decides.

/// Characters that mean something in the texts that the targets read.
const TELLING: &[u8] = b"\"\\{}[]:,.-/@?#%0123456789eEnulltruefalse \n\xc3\xa9\xe2\x82\xac\xff";

/// A generator (SplitMix64).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Any bytes, mostly few and at most `longest`. In a half of all inputs the bytes are few kinds.
    pub(crate) fn bytes(&mut self, longest: usize) -> Vec<u8> {
        let longest = (longest >> self.below(12)).max(1);
        let kinds = if self.below(2) == 0 { 256 } else { 1 + self.below(8) };
        let first = self.below(256);
        (0..self.below(longest + 1)).map(|_| (first + self.below(kinds)) as u8).collect()
    }

    /// A valid input with some changes.
    pub(crate) fn mutated(&mut self, valid: &[u8]) -> Vec<u8> {
        let mut input = valid.to_vec();
        for _ in 0..1 + self.below(4) {
            self.mutate(&mut input);
        }
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let end = (at + self.below(24)).min(input.len());
        match self.below(6) {
            0 => drop(input.drain(at..end)),
            1 => {
                let again = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, again);
            }
            2 => input.truncate(at),
            3 => {
                let one = self.next() as u8;
                input.splice(at..end.min(at + 1), [one]);
            }
            4 => {
                let long = vec![TELLING[self.below(TELLING.len())]; self.below(600)];
                input.splice(at..at, long);
            }
            _ => {
                let telling = TELLING[self.below(TELLING.len())];
                input.splice(at..end.min(at + 1), [telling]);
            }
        }
    }
}
