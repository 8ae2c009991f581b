//! What `update_agent` takes: a mistake is told to whoever makes it, and not by each host. The hosts
//! look for themselves all the same.

use gangplank_proto::release::Version;
use serde::Deserialize;
use serde_json::Value;

/// Longest address of a release, in bytes.
const URL_LEN: usize = 2048;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateAgent {
    #[serde(default, rename = "version")]
    _version: Option<Version>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default, rename = "force")]
    _force: bool,
}

/// Checks the parameters of `update_agent`.
///
/// # Errors
/// A text for whoever gave them.
pub(in super::super) fn check(params: &Value) -> Result<(), String> {
    if !params.is_object() {
        return Err("they are no JSON object".to_owned());
    }
    let params = UpdateAgent::deserialize(params).map_err(|error| error.to_string())?;
    let fit = |url: &String| url.starts_with("https://") && url.len() <= URL_LEN;
    if params.url.as_ref().is_some_and(|url| !fit(url)) {
        return Err(format!("url takes an https:// address of {URL_LEN} bytes at most"));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_update_takes_what_it_knows() {
        let of = |params| check(&params);
        of(json!({})).unwrap();
        of(json!({ "version": "1.2.3", "url": "https://a.example/x", "force": true })).unwrap();
        for wrong in [
            json!(null),
            json!([]),
            json!({ "version": "newest" }),
            json!({ "version": "../1" }),
            json!({ "url": "http://a.example/x" }),
            json!({ "url": format!("https://a.example/{}", "x".repeat(URL_LEN)) }),
            json!({ "force": "yes" }),
            json!({ "path": "/bin/sh" }),
        ] {
            assert!(of(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
