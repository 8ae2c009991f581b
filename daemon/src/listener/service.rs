//! What happens to one request between hyper and the router.

use super::admission::Admission;
use super::connection::Cut;
use super::refusal::Refusal;
use super::strict::REFUSED;
use super::{ListenerLimits, Mode, Peer, Serving, body, proxy, redirect};
use crate::guard::Misdeed;
use axum::body::Body;
use http::header::{CONNECTION, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// What the requests of one connection share.
#[derive(Clone)]
pub(super) struct Service(Arc<Shared>);

struct Shared {
    serving: Arc<Serving>,
    /// The other end of our own socket, a proxy perhaps.
    peer: Peer,
    admission: Arc<Admission>,
    limits: ListenerLimits,
    /// Ends the deadline of the connection's beginning.
    established: CancellationToken,
    cut: Cut,
}

impl Service {
    pub(super) fn new(
        serving: Arc<Serving>,
        peer: Peer,
        admission: Admission,
        limits: ListenerLimits,
        (established, cut): (CancellationToken, Cut),
    ) -> Self {
        let admission = Arc::new(admission);
        Self(Arc::new(Shared { serving, peer, admission, limits, established, cut }))
    }

    /// Answers one request; never fails.
    pub(super) async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        let shared = &*self.0;
        let upgrade = request.headers().contains_key(UPGRADE);
        // Nothing can follow these on the same connection, see `strict`.
        let last = upgrade || request.headers().contains_key(TRANSFER_ENCODING);
        if !upgrade {
            shared.established.cancel();
        }
        let mut response = match shared.check(&request) {
            Ok((peer, admission)) => shared.route(request, peer, admission).await,
            Err(response) => response,
        };
        shared.established.cancel();
        if last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl Shared {
    /// Says for whom the router shall answer, or answers in its place.
    #[expect(clippy::result_large_err, reason = "the error is the answer, made once a connection")]
    fn check(&self, request: &Request<Incoming>) -> Result<(Peer, Arc<Admission>), Response<Body>> {
        let (headers, uri) = (request.headers(), request.uri());
        if request.method().as_str() == REFUSED {
            if !matches!(self.serving.mode, Mode::BehindProxy(_)) {
                self.serving.admissions.misdeed(self.peer.addr, Misdeed::BadFrames);
            }
            return Err(Refusal::of_marker(uri.path()).answer());
        }
        let proxies = match &self.serving.mode {
            Mode::Redirect(target) => {
                if redirect::carries_credential(headers, uri)
                    && let Some(left_out) = self.serving.clear.say(Instant::now())
                {
                    tracing::warn!(peer = %self.peer.addr, left_out, "credential seen in the clear");
                }
                return Err(target.answer(headers, uri));
            }
            _ if request.method() == Method::CONNECT => return Err(Refusal::Tunnel.answer()),
            Mode::Tls(_) | Mode::Plain => return Ok((self.peer, Arc::clone(&self.admission))),
            Mode::BehindProxy(proxies) => proxies,
        };
        let (addr, secure) =
            proxies.client(self.peer.addr, headers).map_err(|_| Refusal::Forwarding.answer())?;
        // The proxy may use one connection for many clients: each of its requests counts for the
        // client it comes from, and the connection itself no more.
        self.admission.release();
        let admission = self
            .serving
            .admissions
            .admit(Some(addr), self.limits.pending_per_ip, self.limits.pending)
            .ok_or_else(|| Refusal::Crowded.answer())?;
        Ok((Peer { addr, secure, ..self.peer }, Arc::new(admission)))
    }

    async fn route(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        admission: Arc<Admission>,
    ) -> Response<Body> {
        let deadline = Instant::now() + self.limits.body;
        let mut request = request.map(|incoming| body::timed(incoming, deadline));
        proxy::strip(request.headers_mut());
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(self.cut.clone());
        request.extensions_mut().insert(Arc::clone(&admission));
        let response = match self.serving.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => {
                let never: Infallible = never;
                match never {}
            }
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            admission.release();
        }
        response
    }
}
