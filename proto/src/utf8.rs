//! Text out of terminal bytes for vocabularies that carry JSON strings: a character split between
//! two reads waits for its rest, and what can't be UTF-8 becomes U+FFFD.

/// Holds the unfinished tail of a UTF-8 stream, at most 3 bytes.
#[derive(Debug, Default, Clone)]
pub struct Utf8Stream {
    tail: Vec<u8>,
}

impl Utf8Stream {
    /// Takes the next bytes and answers all text that is complete.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.tail.extend_from_slice(bytes);
        let keep = unfinished(&self.tail);
        let rest = self.tail.split_off(self.tail.len() - keep);
        let text = String::from_utf8_lossy(&self.tail).into_owned();
        self.tail = rest;
        text
    }

    /// The stream ended: an unfinished character becomes U+FFFD.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.tail).into_owned();
        self.tail.clear();
        text
    }
}

/// How many bytes at the end are the start of a character that may still be completed.
fn unfinished(mut bytes: &[u8]) -> usize {
    loop {
        let Err(error) = std::str::from_utf8(bytes) else { return 0 };
        // Only an error at the very end has no length; one in the middle is replaced, and what
        // follows it decides.
        let Some(bad) = error.error_len() else { return bytes.len() - error.valid_up_to() };
        bytes = bytes.get(error.valid_up_to() + bad..).unwrap_or_default();
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_split_character_waits_for_its_rest() {
        let mut stream = Utf8Stream::default();
        let euro = "€".as_bytes();
        assert_eq!(stream.push(&euro[..1]), "");
        assert_eq!(stream.push(&euro[1..2]), "");
        assert_eq!(stream.push(&euro[2..]), "€");
        assert_eq!(stream.finish(), "");
    }

    #[test]
    fn what_is_not_utf8_is_replaced_once_it_is_certain() {
        let mut stream = Utf8Stream::default();
        assert_eq!(stream.push(b"a\xffb\xe2"), "a\u{fffd}b");
        assert_eq!(stream.push(b"x"), "\u{fffd}x");
        assert_eq!(stream.push(b"\xf0\x9f"), "");
        assert_eq!(stream.finish(), "\u{fffd}");
    }

    #[test]
    fn any_number_of_errors_is_survived() {
        let text = Utf8Stream::default().push(&vec![0xff; 1 << 20]);
        assert_eq!(text.chars().filter(|c| *c == '\u{fffd}').count(), 1 << 20);
    }

    proptest! {
        /// However text is cut, it comes out the same.
        #[test]
        fn any_cut_gives_the_same_text(text in "\\PC{0,200}", cuts in prop::collection::vec(1usize..7, 0..200)) {
            let mut stream = Utf8Stream::default();
            let mut bytes = text.as_bytes();
            let mut out = String::new();
            for cut in cuts {
                let (head, tail) = bytes.split_at(cut.min(bytes.len()));
                out.push_str(&stream.push(head));
                bytes = tail;
            }
            out.push_str(&stream.push(bytes));
            out.push_str(&stream.finish());
            prop_assert_eq!(out, text);
        }
    }
}
