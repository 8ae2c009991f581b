//! Fetching a program: in as many connections as it takes, each going on where the one before broke.

use std::time::Duration;

use bytes::BytesMut;
use gangplank_proto::job::Progress;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::check::Refusal;
use super::fetch::FetchError;
use super::incoming::Incoming;
use super::source::Source;
use super::work::{Failed, progress};

/// Bytes that are gathered before they are written.
const BATCH: usize = 512 << 10;

/// Connections in a row without a byte until a download is given up.
const ATTEMPTS: u32 = 5;

/// The wait after the first of them; it doubles.
const PAUSE: Duration = Duration::from_secs(1);

/// Fetches what is missing of a program, over as many connections as it takes.
pub(super) async fn download(
    source: &Source,
    mut incoming: Incoming,
    say: &(dyn Fn(Progress) + Sync),
) -> Result<Incoming, Failed> {
    let (mut attempts, mut pause) = (0, PAUSE);
    while !incoming.is_complete() {
        let before = incoming.have();
        let (part, ended) = part(source, incoming, say).await?;
        incoming = part;
        if incoming.have() > before {
            (attempts, pause) = (0, PAUSE);
        }
        match ended {
            Ok(()) if incoming.is_complete() => break,
            Err(error) if !error.is_passing() || attempts >= ATTEMPTS => return Err(error.into()),
            Ok(()) if attempts >= ATTEMPTS => {
                return Err(
                    Refusal::Length { got: incoming.have(), wanted: incoming.length() }.into()
                );
            }
            _ => {}
        }
        attempts += 1;
        sleep(pause).await;
        pause *= 2;
    }
    Ok(incoming)
}

/// Takes what one connection gives.
async fn part(
    source: &Source,
    mut incoming: Incoming,
    say: &(dyn Fn(Progress) + Sync),
) -> Result<(Incoming, Result<(), FetchError>), Failed> {
    let mut download = match source.program(incoming.have()).await {
        Ok(download) => download,
        Err(error) => return Ok((incoming, Err(error))),
    };
    if download.start != incoming.have() {
        // It can't go on in the middle.
        incoming.restart().map_err(Refusal::from)?;
    }
    let mut batch = BytesMut::new();
    loop {
        let next = download.next().await;
        if let Ok(Some(bytes)) = &next {
            batch.extend_from_slice(bytes);
        }
        let more = matches!(next, Ok(Some(_)));
        if batch.len() >= BATCH || !more {
            let bytes = batch.split().freeze();
            incoming = spawn_blocking(move || incoming.append(&bytes).map(|()| incoming)).await??;
            say(fetched(incoming.have(), incoming.length()));
        }
        if !more {
            return Ok((incoming, next.map(|_| ())));
        }
    }
}

fn fetched(have: u64, length: u64) -> Progress {
    let percent = u8::try_from(have.saturating_mul(100) / length.max(1)).unwrap_or(100).min(100);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let what = format!("{:.1} of {:.1} MiB", mib(have), mib(length));
    progress(Some(percent), "fetching", &what)
}
