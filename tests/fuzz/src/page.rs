//! The words of a page.

use gangplank_proto::limit;
use gangplank_proto::terminal::{ConnectionMode, FromPage, HostKeyState};

/// Any text is read or refused; what a message means does not depend on how its JSON is laid out.
pub fn page(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mode = ConnectionMode::parse(text);
    assert!(mode.is_none_or(|mode| mode.as_str() == text));
    let state = HostKeyState::parse(text);
    assert!(state.is_none_or(|state| state.as_str() == text));
    let Ok(said) = serde_json::from_str::<FromPage>(text) else { return };
    if let FromPage::Resize(size) = &said {
        assert!([size.cols(), size.rows()].iter().all(|n| (1..=limit::TERMINAL_CELLS).contains(n)));
    }
    let json = serde_json::from_str::<serde_json::Value>(text).expect("a word is JSON");
    let again = serde_json::from_value::<FromPage>(json).expect("the same word");
    assert_eq!(format!("{again:?}"), format!("{said:?}"));
}
