//! What the fuzzer's bytes spell: steps, numbers, cuts.

/// Bytes that are read as choices. After the last one every number is 0 and there is no step.
#[derive(Debug)]
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next step, out of `kinds`.
    pub(crate) fn step(&mut self, kinds: u8) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first % kinds)
    }

    /// A number below `bound`, which is not 0, or at most 65 535.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(u16::from_be_bytes(self.take())) % bound
    }

    /// Any number, and mostly one near `middle`.
    pub(crate) fn around(&mut self, middle: u64) -> u64 {
        match self.step(8) {
            Some(0) => u64::from_be_bytes(self.take()),
            Some(1..4) => middle.wrapping_add(self.below(3000) as u64),
            Some(_) => middle.wrapping_sub(self.below(3000) as u64),
            None => middle,
        }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        let (head, rest) = self.0.split_at(N.min(self.0.len()));
        taken[..head.len()].copy_from_slice(head);
        self.0 = rest;
        taken
    }
}

/// Takes lengths off the front, as many as the first byte says (at most 15), and cuts the rest into
/// pieces of those lengths, over and over.
pub(crate) fn cut(data: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let Some((count, data)) = data.split_first() else { return (data, Vec::new()) };
    let (lengths, whole) = data.split_at(usize::from(count % 16).min(data.len()));
    let mut pieces = Vec::new();
    let mut rest = whole;
    let mut lengths = lengths.iter().cycle();
    while !rest.is_empty() {
        let length = lengths.next().map_or(rest.len(), |length| 1 + usize::from(*length));
        let (piece, more) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    (whole, pieces)
}

/// Bytes of a stream of which no two stretches are alike by chance.
pub(crate) fn passage(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(|at| (at ^ (at >> 8).wrapping_mul(151)) as u8).collect()
}
