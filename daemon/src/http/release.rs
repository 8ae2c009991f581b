//! What agents are installed and updated from: the program, and for updates its signed manifest. The
//! daemon only carries them; an agent believes what somebody signed whose key it holds.
//!
//! They lie in the data directory, below `agents/`: `gangplank-agent-TARGET`, `….json`,
//! `….json.minisig`, as `cargo xtask release sign` makes them; those of one version below
//! `agents/VERSION/`.

pub(super) mod params;

use std::io::SeekFrom;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use gangplank_proto::release::{Target, Version};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;

/// The system that this program was built for; an agent beside it serves hosts of the same.
const OWN_TARGET: &str = env!("GANGPLANK_TARGET");

/// Bytes read at once.
const PIECE: usize = 64 << 10;

/// The agent's program for `?target=`, from a byte on if the request says so; of `?version=` if it
/// names one.
pub(super) async fn download(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (target, version) = asked(&call)?;
    let path = match version {
        Some(_) => kept(&app, target, version, ""),
        None => program(&app, target),
    };
    let file = open(path).await.ok_or_else(|| missing(target, ""))?;
    send(file, &call.headers, "application/octet-stream").await
}

/// The manifest of that program.
pub(super) async fn manifest(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    beside(&app, &call, ".json", "application/json").await
}

/// The signature of that manifest.
pub(super) async fn signature(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    beside(&app, &call, ".json.minisig", "text/plain; charset=utf-8").await
}

async fn beside(
    app: &App,
    call: &Call,
    suffix: &str,
    kind: &'static str,
) -> Result<Response, Refusal> {
    let (target, version) = asked(call)?;
    let file = open(kept(app, target, version, suffix)).await;
    send(file.ok_or_else(|| missing(target, suffix))?, &call.headers, kind).await
}

/// What the query asks for. Both are of types whose values name files and nothing else.
fn asked(call: &Call) -> Result<(Target, Option<Version>), Refusal> {
    let wrong = || {
        let known = Target::all().map(Target::as_str).join(", ");
        Refusal::bad_request(format!("target takes one of {known}"))
    };
    let target = call.query("target").and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
    let version = call.query("version").map(|text| text.parse()).transpose();
    let version = version.map_err(|error| Refusal::bad_request(format!("version: {error}")))?;
    Ok((target, version))
}

fn missing(target: Target, suffix: &str) -> Refusal {
    let message = format!(
        "there is no agent for {target} here; put one into the data directory as agents/{}{suffix}",
        target.file_name()
    );
    Refusal::new(StatusCode::NOT_FOUND, "no_agent", message)
}

/// Where the program for a system lies: in the data directory, or beside ours if it is our own.
pub(super) fn program(app: &App, target: Target) -> Option<PathBuf> {
    if let Some(kept) = kept(app, target, None, "") {
        return Some(kept);
    }
    let beside = std::env::current_exe().ok()?.parent()?.join("gangplank-agent");
    (target.as_str() == OWN_TARGET && beside.is_file()).then_some(beside)
}

/// A file of a release in the data directory. Where a version has no directory of its own it may be the
/// one that lies there for everybody: the agent looks which one it is.
fn kept(app: &App, target: Target, version: Option<Version>, suffix: &str) -> Option<PathBuf> {
    let agents = app.store.directory().path().join("agents");
    let name = format!("{}{suffix}", target.file_name());
    let of_version = version.map(|version| agents.join(version.to_string()));
    let home = of_version.filter(|home| home.is_dir()).unwrap_or(agents);
    Some(home.join(name)).filter(|path| path.is_file())
}

async fn open(path: Option<PathBuf>) -> Option<File> {
    File::open(path?).await.ok()
}

/// Sends a file, from the byte on that the request names (RFC 9110 §14): whoever was cut off goes on.
pub(super) async fn send(
    mut file: File,
    asked: &HeaderMap,
    kind: &'static str,
) -> Result<Response, Refusal> {
    let failed = |error: std::io::Error| {
        tracing::error!(%error, "a release can't be read");
        Refusal::internal()
    };
    let length = file.metadata().await.map_err(failed)?.len();
    let from = asked.get(header::RANGE).and_then(first_byte).filter(|from| *from > 0);
    if from.is_some_and(|from| from >= length) {
        let status = StatusCode::RANGE_NOT_SATISFIABLE;
        return Err(Refusal::new(status, "range", "there are not so many bytes".to_owned()));
    }
    let start = from.unwrap_or(0);
    file.seek(SeekFrom::Start(start)).await.map_err(failed)?;
    let left = length - start;
    let mut response =
        Response::new(Body::from_stream(ReaderStream::with_capacity(file.take(left), PIECE)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(left));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // A manifest that somebody kept is the one of yesterday.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if from.is_some() {
        let range = format!("bytes {start}-{}/{length}", length - 1);
        if let Ok(range) = HeaderValue::from_str(&range) {
            headers.insert(header::CONTENT_RANGE, range);
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// `N` of `bytes=N-`. Any other range is answered with the whole file, as a server may.
fn first_byte(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}
