//! What compliance scanners write.

use std::io::BufReader;

use gangplank_agent::scan::xccdf::{Document, parse};
use gangplank_agent::scan::{Bounds, XmlError};

/// Small enough that inputs reach them.
const BOUNDS: Bounds = Bounds {
    bytes: 12_000,
    token: 2_000,
    depth: 24,
    attribute: 100,
    attributes: 8,
    rules: 12,
    text: 60,
    texts: 900,
};

/// Any bytes are read or refused, within the bounds; what is read does not depend on the pieces in which
/// they come.
pub fn xccdf(data: &[u8]) {
    let whole = parse(data, &BOUNDS);
    let in_pieces = parse(BufReader::with_capacity(3, data), &BOUNDS);
    match (&whole, &in_pieces) {
        (Ok(document), Ok(again)) => {
            // Scores may be no numbers, which are not even equal to themselves.
            assert_eq!(format!("{document:?}"), format!("{again:?}"));
            is_bounded(document, data.len());
            assert!(parse(data, &Bounds::default()).is_ok());
        }
        (Err(_), Err(_)) => {}
        _ => panic!("{whole:?} in one piece, {in_pieces:?} in many"),
    }
    if data.len() as u64 > BOUNDS.bytes {
        assert!(whole.is_err());
    }
    if let Err(XmlError::Io(kind)) = whole {
        panic!("a source that never fails failed: {kind}");
    }
}

fn is_bounded(document: &Document, length: usize) {
    assert!(document.rules.len() <= BOUNDS.rules);
    let results = document.test.iter().flat_map(|test| &test.results);
    assert!(results.clone().count() <= BOUNDS.rules);
    let titles = document.profiles.iter().map(|profile| &profile.title);
    for title in titles.chain(document.rules.iter().map(|rule| &rule.title)) {
        assert!(title.len() <= BOUNDS.text, "{title:?}");
    }
    let fixes = document.rules.iter().map(|rule| rule.fix.as_str());
    let kept: usize = fixes.chain(results.map(|result| result.fix.as_str())).map(str::len).sum();
    // What can't be shown is replaced by a character of three bytes.
    assert!(kept <= 3 * BOUNDS.texts.min(length), "{kept} bytes of {length}");
}
