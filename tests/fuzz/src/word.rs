//! What holds for words of every kind.

use std::fmt::Debug;

/// What was read can be written, and is then read as the same. `Debug` shows every field but the
/// secrets and the bytes, which the text shows.
pub(crate) fn lasts<W: Debug, E: Debug>(
    word: &W,
    write: impl Fn(&W) -> Result<String, E>,
    read: impl Fn(&str) -> Result<W, E>,
) {
    let text = write(word).expect("what was read can be written");
    let again = read(&text).expect("what was written can be read");
    assert_eq!(format!("{again:?}"), format!("{word:?}"), "{text}");
    assert_eq!(write(&again).expect("what was read can be written"), text);
}
