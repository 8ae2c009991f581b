//! Lists as files. They are read in pages while they are sent, so that no file is ever whole in
//! memory.

use std::future::{Future, ready};

use axum::body::Body;
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, header};

use crate::store::{Page, PageRequest, StoreError};

/// Rows read at a time.
const TOGETHER: u32 = 200;

/// A head, every item of a list that is read in pages, and a tail.
pub(in crate::http) fn body<T, Read, Answer>(
    head: String,
    tail: &'static str,
    render: impl Fn(&T) -> String + Send + 'static,
    read: Read,
) -> Body
where
    T: Send + 'static,
    Read: Fn(PageRequest) -> Answer + Send + 'static,
    Answer: Future<Output = Result<Page<T>, StoreError>> + Send + 'static,
{
    let pages = stream::try_unfold(Some(None), move |cursor: Option<Option<String>>| {
        let page = cursor.map(|cursor| read(PageRequest { limit: Some(TOGETHER), cursor }));
        async move {
            let Some(page) = page else { return Ok::<_, StoreError>(None) };
            let read = page.await.inspect_err(|error| {
                tracing::error!(%error, "a file was cut off");
            });
            let Page { items, next_cursor } = read?;
            Ok(Some((items, next_cursor.map(Some))))
        }
    });
    let pages =
        pages.map(move |items| Ok::<String, StoreError>(items?.iter().map(&render).collect()));
    let (head, tail) = (ready(Ok(head)), ready(Ok(tail.to_owned())));
    Body::from_stream(stream::once(head).chain(pages).chain(stream::once(tail)))
}

/// An answer that a browser keeps under a name.
pub(in crate::http) fn file(body: Body, kind: &'static str, name: &str) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}
