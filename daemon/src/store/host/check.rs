//! The forms of the fields that a person enters about a host.

use gangplank_proto::fact::is_unfit;

use crate::store::StoreError;

/// What people call a host: 1 to 255 characters, none of them a control character.
pub(in crate::store) fn friendly_name(text: &str) -> Result<String, StoreError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 255 || text.chars().any(is_unfit) {
        return Err(StoreError::Invalid(
            "friendly_name takes 1 to 255 characters without control characters",
        ));
    }
    Ok(text.to_owned())
}

/// A host name or an IP address, without a port. The form only: what may be dialled is decided when
/// it is dialled.
pub(super) fn address(text: &str) -> Result<String, StoreError> {
    let text = text.trim();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    let ip = text.parse::<std::net::IpAddr>().is_ok();
    let name = !text.contains([':', '%']) && !text.starts_with(['-', '.']);
    if text.is_empty() || text.len() > 253 || !text.chars().all(allowed) || !(ip || name) {
        return Err(StoreError::Invalid(
            "address takes a host name or an IP address, without port or brackets",
        ));
    }
    Ok(text.to_owned())
}

/// Labels: 32 at most, each of 1 to 64 characters; doubles are dropped.
pub(in crate::store) fn labels(labels: Vec<String>) -> Result<Vec<String>, StoreError> {
    let wrong = |label: &String| {
        label.is_empty() || label.chars().count() > 64 || label.chars().any(is_unfit)
    };
    if labels.len() > 32 || labels.iter().any(wrong) {
        return Err(StoreError::Invalid(
            "labels takes up to 32 labels of 1 to 64 characters without control characters",
        ));
    }
    let mut kept = Vec::with_capacity(labels.len());
    for label in labels {
        if !kept.contains(&label) {
            kept.push(label);
        }
    }
    Ok(kept)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_names_or_ip_addresses() {
        for right in ["db1", "db1.example.com", "10.0.0.1", "fe80::1", "::1"] {
            assert_eq!(address(right).unwrap(), right);
        }
        for wrong in ["", "a b", "[::1]", "db1:22", "-oProxyCommand=x", "a\u{0}b", "$(id)"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_and_labels_are_bounded() {
        assert_eq!(friendly_name("  web 1 ").unwrap(), "web 1");
        assert!(friendly_name("a\u{1b}[31m").is_err());
        assert!(friendly_name(&"x".repeat(256)).is_err());
        assert_eq!(labels(vec!["a".into(), "a".into()]).unwrap(), ["a"]);
        assert!(labels(vec![String::new()]).is_err());
        assert!(labels(vec!["a".into(); 33]).is_err());
    }
}
