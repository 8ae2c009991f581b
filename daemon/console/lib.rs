//! The web console as a table of files, built by Vite and compiled into the program.
//!
//! The daemon answers a `GET` that no API route took from here: [`asset`] for a file, [`page`] for
//! an address that the console itself routes. Every answer carries [`CONTENT_SECURITY_POLICY`].
//!
//! A build script runs npm and Vite in Cargo's output directory; see `build.rs` for the variable
//! that takes a finished console instead, and for what happens where Node is missing.

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The `Content-Security-Policy` of every page and file of the console.
///
/// Nothing inline and nothing evaluated, neither script nor style, without nonce or hash: the
/// terminal's style rules go through constructed style sheets (`src/terminal/csp.ts`).
/// `connect-src 'self'` covers `wss:` to the same host and port. Markup made from strings by script
/// is refused altogether (trusted types), so text of a host can never become any.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
     trusted-types 'none'";

/// The addresses that the console routes by itself. All lie at one level, so that the relative
/// addresses in the page hold below any path prefix of a reverse proxy.
pub const PAGES: &[&str] = &[
    "login",
    "hosts",
    "host",
    "jobs",
    "job",
    "compliance",
    "scan",
    "rule",
    "schedules",
    "terminal",
    "feed",
    "alerts",
    "investigate",
    "sessions",
    "approvals",
    "policies",
    "users",
    "roles",
    "tokens",
    "tenants",
    "webhooks",
    "audit",
    "security",
    "inspector",
    "account",
    "trust",
];

/// One file of the console.
#[derive(Debug)]
pub struct Asset {
    /// Path relative to the console's root, `/` between parts, never with one in front.
    pub path: &'static str,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The value of `ETag`, quotes included. It names the uncompressed bytes, so a compressed
    /// answer must add to it or send it weak (RFC 9110 §8.8.3).
    pub etag: &'static str,
    /// The file as it is.
    pub bytes: &'static [u8],
    /// The file for `Content-Encoding: gzip`, when the build made one.
    pub gzip: Option<&'static [u8]>,
    /// The file for `Content-Encoding: br`, when the build made one.
    pub brotli: Option<&'static [u8]>,
    /// Whether the name holds a hash of the content, so that a browser may keep the file for ever
    /// (`Cache-Control: public, max-age=31536000, immutable`). Any other file wants `no-cache`.
    pub immutable: bool,
}

/// Finds a file by its path, with or without a leading `/`. The empty path is the index.
pub fn asset(path: &str) -> Option<&'static Asset> {
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.is_empty() {
        return Some(&INDEX);
    }
    let found = ASSETS.binary_search_by(|asset| asset.path.cmp(path)).ok()?;
    ASSETS.get(found)
}

/// The page for an address that the console routes by itself (one of [`PAGES`], or the root),
/// with or without a leading `/`.
pub fn page(path: &str) -> Option<&'static Asset> {
    let path = path.strip_prefix('/').unwrap_or(path);
    (path.is_empty() || PAGES.contains(&path)).then_some(&INDEX)
}

/// The start page, which is also the answer for every address of [`PAGES`]. It is always there:
/// where the console could not be built it says why.
pub fn index() -> &'static Asset {
    &INDEX
}

/// All files, sorted by path.
pub fn assets() -> &'static [Asset] {
    ASSETS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_sorted_and_found_by_path() {
        assert!(assets().is_sorted_by_key(|asset| asset.path));
        for entry in assets() {
            assert_eq!(asset(entry.path).map(|found| found.path), Some(entry.path));
        }
        assert!(asset("no-such-file").is_none());
        assert!(asset("../Cargo.toml").is_none());
    }

    #[test]
    fn pages_answer_with_the_index() {
        for path in ["", "/", "/hosts", "trust"] {
            assert_eq!(page(path).map(|page| page.path), Some("index.html"));
        }
        assert!(page("/api/v1/hosts").is_none());
    }

    #[test]
    fn compressed_forms_are_no_files_of_their_own() {
        assert!(assets().iter().all(|asset| !asset.path.ends_with(".gz")));
    }

    #[test]
    fn policy_is_strict() {
        assert!(CONTENT_SECURITY_POLICY.contains("frame-ancestors 'none'"));
        assert!(!CONTENT_SECURITY_POLICY.contains("unsafe"));
    }
}
