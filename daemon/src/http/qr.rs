//! QR codes as what an SVG path draws, so that a page needs no markup from us.

use qrcode::{Color, QrCode};
use serde::Serialize;

/// A QR code: `path` in a square of `size` units, the quiet zone not counted.
#[derive(Debug, Serialize)]
pub(super) struct Drawing {
    size: usize,
    path: String,
}

/// Draws a text; none when it is too long for a code.
pub(super) fn draw(text: &str) -> Option<Drawing> {
    let code = QrCode::new(text).ok()?;
    let size = code.width();
    let mut path = String::new();
    for (index, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            path.push_str(&format!("M{} {}h1v1h-1z", index % size, index / size));
        }
    }
    Some(Drawing { size, path })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    #[test]
    fn a_code_begins_with_its_corner() {
        let drawing = super::draw("otpauth://totp/x").unwrap();
        assert!(drawing.path.starts_with("M0 0h1v1h-1zM1 0"));
        assert!(drawing.size >= 21);
    }
}
