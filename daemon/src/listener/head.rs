//! One reading of an HTTP/1 request head, or none (RFC 9112 sections 2 to 6).
//!
//! Pure: it looks at bytes as they arrive and says where the head ends and how the body is
//! framed. What two parsers could read differently is refused: line ends other than CRLF, folded
//! lines, space before a colon, control characters, a length given twice or beside a transfer
//! coding, and a host missing or given twice.

use http::HeaderName;

/// Longest request target, in bytes.
const TARGET: usize = 8 << 10;
/// Most header fields.
const FIELDS: usize = 100;

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// No HTTP, or more than one way to read it.
    Malformed,
    /// The target is longer than 8 KiB.
    TargetTooLong,
    /// More fields or bytes than are allowed.
    TooLarge,
    /// Another version than 1.0 and 1.1.
    Version,
}

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes, and then the next head.
    Length(u64),
    /// Whatever comes until the end: an upgrade, a tunnel, or chunks, after which there is no
    /// further request on this connection.
    Rest,
}

/// A head that was found whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Its length in bytes, the empty line included.
    pub(super) len: usize,
    pub(super) body: Body,
}

/// Reads one head as its bytes arrive.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// Where the current line starts, and up to where it was looked at.
    line: usize,
    seen: usize,
    fields: usize,
    started: bool,
    old: bool,
    host: bool,
    length: Option<u64>,
    rest: bool,
    chunked: bool,
}

impl Scanner {
    /// Looks at `bytes`, all that arrived since the head began; `None` asks for more of them.
    pub(super) fn scan(&mut self, bytes: &[u8], max: usize) -> Result<Option<Head>, Flaw> {
        loop {
            let fresh = bytes.get(self.seen..).unwrap_or_default();
            let end = fresh.iter().position(|byte| *byte == b'\n');
            let part = fresh.get(..end.unwrap_or(fresh.len())).unwrap_or_default();
            if part.iter().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r')) {
                return Err(Flaw::Malformed);
            }
            self.seen += part.len();
            if !self.started && self.seen > TARGET + 64 {
                return Err(Flaw::TargetTooLong);
            }
            if self.seen >= max {
                return Err(Flaw::TooLarge);
            }
            if end.is_none() {
                return Ok(None);
            }
            let line = bytes.get(self.line..self.seen).unwrap_or_default();
            let line = line.strip_suffix(b"\r").ok_or(Flaw::Malformed)?;
            self.seen += 1;
            self.line = self.seen;
            if !self.started {
                self.request_line(line)?;
            } else if line.is_empty() {
                return self.finish().map(Some);
            } else {
                self.field(line)?;
            }
        }
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), Flaw> {
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Flaw::Malformed);
        };
        if !is_token(method) || target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
            return Err(Flaw::Malformed);
        }
        if target.len() > TARGET {
            return Err(Flaw::TargetTooLong);
        }
        self.old = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            other if other.starts_with(b"HTTP/") => return Err(Flaw::Version),
            _ => return Err(Flaw::Malformed),
        };
        self.rest = method == b"CONNECT";
        self.started = true;
        Ok(())
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Flaw> {
        self.fields += 1;
        if self.fields > FIELDS {
            return Err(Flaw::TooLarge);
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Flaw::Malformed)?;
        let (name, value) = line.split_at_checked(colon).ok_or(Flaw::Malformed)?;
        // A folded line starts with a space, and a space before the colon is in no token either.
        let name = HeaderName::from_bytes(name).map_err(|_| Flaw::Malformed)?;
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if value.contains(&b'\r') {
            return Err(Flaw::Malformed);
        }
        match name {
            http::header::HOST if self.host => return Err(Flaw::Malformed),
            http::header::HOST => self.host = true,
            http::header::CONTENT_LENGTH => self.content_length(value)?,
            http::header::TRANSFER_ENCODING => {
                if self.chunked || self.old || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Flaw::Malformed);
                }
                self.chunked = true;
            }
            http::header::UPGRADE if self.old => return Err(Flaw::Malformed),
            http::header::UPGRADE => self.rest = true,
            _ => {}
        }
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Flaw> {
        if self.length.is_some() || !value.iter().all(u8::is_ascii_digit) {
            return Err(Flaw::Malformed);
        }
        let text = std::str::from_utf8(value).map_err(|_| Flaw::Malformed)?;
        self.length = Some(text.parse().map_err(|_| Flaw::Malformed)?);
        Ok(())
    }

    fn finish(&self) -> Result<Head, Flaw> {
        if (self.chunked && self.length.is_some()) || (!self.old && !self.host) {
            return Err(Flaw::Malformed);
        }
        let body = if self.rest || self.chunked {
            Body::Rest
        } else {
            Body::Length(self.length.unwrap_or(0))
        };
        Ok(Head { len: self.seen, body })
    }
}

fn is_token(word: &[u8]) -> bool {
    !word.is_empty()
        && word.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const MAX: usize = 32 << 10;

    fn scan(text: &str) -> Result<Option<Head>, Flaw> {
        Scanner::default().scan(text.as_bytes(), MAX)
    }

    fn get(fields: &str) -> Result<Option<Head>, Flaw> {
        scan(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
    }

    #[test]
    fn good_heads_end_where_they_end_however_they_are_cut() {
        let one =
            "POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-Odd: a\tb:\u{e9}\r\n\r\n";
        let wire = format!("{one}hello\0\n\rGET /");
        let expected = Head { len: one.len(), body: Body::Length(5) };
        assert_eq!(scan(&wire), Ok(Some(expected)));
        let mut scanner = Scanner::default();
        for end in 0..one.len() {
            assert_eq!(scanner.scan(&wire.as_bytes()[..end], MAX), Ok(None), "{end}");
        }
        assert_eq!(scanner.scan(one.as_bytes(), MAX), Ok(Some(expected)));
    }

    #[test]
    fn bodies_are_framed_in_one_way() {
        assert_eq!(get("").unwrap().unwrap().body, Body::Length(0));
        assert_eq!(get("Transfer-Encoding: Chunked\r\n").unwrap().unwrap().body, Body::Rest);
        assert_eq!(get("Upgrade: websocket\r\n").unwrap().unwrap().body, Body::Rest);
        assert_eq!(scan("GET / HTTP/1.0\r\n\r\n").unwrap().unwrap().body, Body::Length(0));
        let tunnel = scan("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(tunnel.unwrap().unwrap().body, Body::Rest);
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: \r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding : chunked\r\n",
            "X: a\r\n b\r\n",
            " X: a\r\n",
            "X : a\r\n",
            "X\r\n",
            ": a\r\n",
            "X(: a\r\n",
            "X: a\rb\r\n",
            "X: a\0b\r\n",
            "X: a\u{7f}\r\n",
            "X: a\n",
            "Host: b\r\n",
        ] {
            assert_eq!(get(fields), Err(Flaw::Malformed), "{fields:?}");
        }
    }

    #[test]
    fn bad_request_lines_are_refused() {
        for line in [
            "",
            " ",
            "GET",
            "GET /",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET\t/ HTTP/1.1",
            "G(T / HTTP/1.1",
            "GET /\u{e9} HTTP/1.1",
            "GET / http/1.1",
        ] {
            let head = format!("{line}\r\nHost: a\r\n\r\n");
            assert_eq!(scan(&head), Err(Flaw::Malformed), "{line:?}");
        }
        assert_eq!(scan("PRI * HTTP/2.0\r\n\r\n"), Err(Flaw::Version));
        assert_eq!(scan("GET / HTTP/1.1\r\n\r\n"), Err(Flaw::Malformed), "no host");
        assert_eq!(scan("GET / HTTP/1.1\nHost: a\n\n"), Err(Flaw::Malformed), "bare LF");
        let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(scan(old), Err(Flaw::Malformed));
        assert_eq!(scan("GET / HTTP/1.0\r\nUpgrade: websocket\r\n\r\n"), Err(Flaw::Malformed));
        assert_eq!(scan("\u{16}\u{3}\u{1}"), Err(Flaw::Malformed), "TLS, before any line end");
    }

    #[test]
    fn sizes_are_bounded_before_the_end_is_seen() {
        let target = "a".repeat(TARGET + 1);
        let head = format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(scan(&head), Err(Flaw::TargetTooLong));
        assert_eq!(scan(&"a".repeat(TARGET + 65)), Err(Flaw::TargetTooLong));
        assert_eq!(get(&"X: a\r\n".repeat(100)), Err(Flaw::TooLarge));
        assert!(get(&"X: a\r\n".repeat(99)).is_ok());
        assert_eq!(get(&format!("X: {}", "a".repeat(MAX))), Err(Flaw::TooLarge));
    }
}
