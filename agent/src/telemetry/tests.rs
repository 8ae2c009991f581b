//! A row is what the daemon reads.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn a_row_says_its_kind() {
    let metrics = Metrics { cpu: Some(1.5), ..Metrics::default() };
    let row = serde_json::to_string(&Row::Metrics(metrics)).unwrap();
    assert_eq!(row, r#"{"kind":"metrics","cpu":1.5}"#);
}
