//! Request bodies under a deadline, so that nobody holds a handler by sending a byte at a time.

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep};

/// `incoming`, which fails when it isn't whole by `deadline`.
pub(super) fn timed(incoming: Incoming, deadline: Instant) -> Body {
    if incoming.is_end_stream() {
        return Body::empty();
    }
    let incoming = incoming.map_err(io::Error::other);
    Body::new(Timed { incoming, deadline: Box::pin(tokio::time::sleep_until(deadline)) })
}

struct Timed<B> {
    incoming: B,
    deadline: Pin<Box<Sleep>>,
}

impl<B: HttpBody<Data = Bytes, Error = io::Error> + Unpin> HttpBody for Timed<B> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = Pin::new(&mut self.incoming).poll_frame(cx);
        if frame.is_pending() && self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
