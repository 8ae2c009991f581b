//! Reading a body, never more of it than the route takes.

use std::sync::PoisonError;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use serde::de::DeserializeOwned;

use super::Call;
use crate::http::error::Refusal;
use crate::message;

impl Call {
    /// The body as JSON.
    ///
    /// # Errors
    /// 413 when it is too large, 400 when it is not what is expected.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Refusal> {
        self.json_within(self.body_limit).await
    }

    /// The body as JSON of so many bytes at most, where that is more than most routes take or less.
    ///
    /// # Errors
    /// 413 when it is too large, 400 when it is not what is expected.
    pub async fn json_within<T: DeserializeOwned>(&mut self, limit: usize) -> Result<T, Refusal> {
        let bytes = self.bytes_within(limit).await?;
        let bytes = if bytes.is_empty() { Bytes::from_static(b"{}") } else { bytes };
        message::parse(&bytes).map_err(|error| Refusal::bad_request(error.to_string()))
    }

    /// The body as it came, of as many bytes as most routes take.
    ///
    /// # Errors
    /// 413 when it is too large, 400 when it ends early.
    pub async fn bytes(&mut self) -> Result<Bytes, Refusal> {
        self.bytes_within(self.body_limit).await
    }

    /// How many bytes most routes take.
    #[must_use]
    pub fn body_limit(&self) -> usize {
        self.body_limit
    }

    /// The body's bytes, of which there may be so many.
    ///
    /// # Errors
    /// 413 when there are more, 400 when they end early.
    pub async fn bytes_within(&mut self, limit: usize) -> Result<Bytes, Refusal> {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        let body = std::mem::take(body);
        // What is announced to be too large need not come first.
        if body.size_hint().lower() > limit as u64 {
            return Err(Refusal::too_large());
        }
        match Limited::new(body, limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(Refusal::too_large()),
            Err(_) => Err(Refusal::bad_request("the body ended early")),
        }
    }
}
