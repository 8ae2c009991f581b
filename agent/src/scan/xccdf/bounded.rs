//! A source that gives only so many bytes, in all and for one token.

use std::io::{self, BufRead, Read};

/// What was too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exceeded {
    Document,
    Token,
}

/// Reads on until a bound is reached, and then fails. What parses it gathers a whole token before
/// anybody sees it, so only the source can stop it in time.
pub(super) struct Bounded<R> {
    source: R,
    left: u64,
    token: usize,
    token_left: usize,
    exceeded: Option<Exceeded>,
}

impl<R: BufRead> Bounded<R> {
    pub(super) fn new(source: R, bytes: u64, token: usize) -> Self {
        Self { source, left: bytes, token, token_left: token, exceeded: None }
    }

    /// Says that a token is complete.
    pub(super) fn next_token(&mut self) {
        self.token_left = self.token;
    }

    pub(super) fn exceeded(&self) -> Option<Exceeded> {
        self.exceeded
    }
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let len = piece.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), piece.get(..len)) {
            to.copy_from_slice(from);
        }
        self.consume(len);
        Ok(len)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let piece = self.source.fill_buf()?;
        if piece.is_empty() {
            return Ok(piece);
        }
        let (exceeded, left) = if self.left <= self.token_left as u64 {
            (Exceeded::Document, usize::try_from(self.left).unwrap_or(usize::MAX))
        } else {
            (Exceeded::Token, self.token_left)
        };
        if left == 0 {
            self.exceeded = Some(exceeded);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(piece.get(..left).unwrap_or(piece))
    }

    fn consume(&mut self, len: usize) {
        self.source.consume(len);
        self.left = self.left.saturating_sub(len as u64);
        self.token_left = self.token_left.saturating_sub(len);
    }
}
