//! PatchMon's words.

use gangplank_proto::patchmon::{FromPatchmon, ToPatchmon};

use crate::word;

/// Any text is read or refused; what is read lasts.
pub fn patchmon(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(said) = serde_json::from_str::<FromPatchmon>(text) {
        word::lasts(&said, serde_json::to_string, |text| serde_json::from_str(text));
    }
    if let Ok(said) = serde_json::from_str::<ToPatchmon>(text) {
        word::lasts(&said, serde_json::to_string, |text| serde_json::from_str(text));
    }
}
