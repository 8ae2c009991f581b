//! Text out of terminal bytes.

use gangplank_proto::utf8::Utf8Stream;

use crate::choices::cut;

/// However bytes are cut, the text is that of the whole; at most one character waits for its rest.
pub fn utf8(data: &[u8]) {
    let (whole, pieces) = cut(data);
    let mut stream = Utf8Stream::default();
    let mut text: String = pieces.into_iter().map(|piece| stream.push(piece)).collect();
    let rest = stream.finish();
    assert!(matches!(rest.as_str(), "" | "\u{fffd}"));
    text.push_str(&rest);
    assert_eq!(text, String::from_utf8_lossy(whole));
    assert!(stream.finish().is_empty());
}
