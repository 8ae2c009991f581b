//! What a terminal said last.

use gangplank_terminal::ring::Ring;

use crate::choices::{Choices, passage};

/// Whatever was said and wherever somebody reads: what is held is the exact tail, as long as the
/// bound allows.
pub fn ring(data: &[u8]) {
    let mut choices = Choices::new(data);
    let bound = choices.below(4000);
    let mut ring = Ring::new(bound);
    let mut said = Vec::new();
    while let Some(step) = choices.step(2) {
        if step == 0 {
            let more = passage(said.len(), choices.below(3000));
            ring.push(&more);
            said.extend(more);
        } else {
            let (offset, max) = (choices.around(said.len() as u64), choices.below(5000));
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let held = start as u64 >= ring.start();
            let rest = said.get(start..).filter(|_| held).unwrap_or_default();
            let read = ring.read(offset, max);
            assert!(rest.starts_with(&read));
            assert_eq!(read.is_empty(), rest.is_empty() || max == 0, "a read always moves on");
        }
        assert_eq!(ring.end(), said.len() as u64);
        assert_eq!(ring.start(), said.len().saturating_sub(bound) as u64);
    }
}
