//! The listening side: who may ask, and how many at once. It reads root's file anew for every ask.

use std::io;
use std::time::Duration;

use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf, UCred};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::broker::{self, Setup};
use super::frame::{Frame, Frames};
use super::policy::Policy;
use super::{Answer, Verb, shell};
use crate::command::failed;

/// Asks that are dealt with at once.
const AT_ONCE: usize = 16;

/// From a connection to its ask.
const ASK: Duration = Duration::from_secs(5);

/// For whoever hung up to be told how its work ended.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves until `stop` is cancelled, or until nobody has asked for `idle`.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: UnixListener,
    setup: Setup,
    idle: Option<Duration>,
    stop: CancellationToken,
) -> io::Result<()> {
    let asks = TaskTracker::new();
    let count = watch::Sender::new(0_usize);
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = stop.cancelled() => break,
            () = left_alone(count.subscribe(), idle) => break,
        };
        let (setup, stop, place) = (setup.clone(), stop.clone(), Place::take(&count));
        asks.spawn(async move {
            // The whole of it, so that it is held until the answer is given.
            let place = place;
            if let Err(error) = answer(stream, &setup, place.number, &stop).await {
                tracing::warn!(%error, "an ask came to nothing");
            }
        });
    }
    asks.close();
    // Workers bring their work to an end without us.
    let _ = timeout(DRAIN, asks.wait()).await;
    Ok(())
}

/// Waits until there has been no ask for so long.
async fn left_alone(mut count: watch::Receiver<usize>, idle: Option<Duration>) {
    let Some(idle) = idle else { return std::future::pending().await };
    loop {
        if count.wait_for(|count| *count == 0).await.is_err() {
            return std::future::pending().await;
        }
        tokio::select! {
            () = sleep(idle) => return,
            changed = count.changed() => if changed.is_err() { return },
        }
    }
}

/// An ask that is dealt with.
struct Place {
    count: watch::Sender<usize>,
    /// Which one of those at this moment.
    number: usize,
}

impl Place {
    fn take(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self { count: count.clone(), number: *count.borrow() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.count.send_modify(|count| *count -= 1);
    }
}

async fn answer(
    stream: UnixStream,
    setup: &Setup,
    number: usize,
    stop: &CancellationToken,
) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let (read, mut write) = stream.into_split();
    let mut asker = Frames::new(read);
    let (policy, verb) = match hear(&peer, setup, number, &mut asker).await {
        Ok(Some(heard)) => heard,
        Ok(None) => return Ok(()),
        Err(why) => {
            refuse(&peer, &why, &mut write).await?;
            // Who is still asking would not hear why.
            let _ = timeout(ASK, asker.next()).await;
            return Ok(());
        }
    };
    tracing::info!(verb = verb.as_str(), uid = peer.uid(), pid = peer.pid(), "begins");
    let done = match verb {
        Verb::Pty { .. } => shell::lend(&verb, &policy, setup, &mut asker, &mut write, stop).await,
        _ => broker::run(&verb, &policy, setup, &mut asker, &mut write, stop).await,
    };
    tracing::info!(verb = verb.as_str(), ok = done.is_ok(), "is over");
    match done {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            refuse(&peer, &error.to_string(), &mut write).await
        }
        done => done,
    }
}

/// What is asked, if it may be; none when nothing is.
async fn hear(
    peer: &UCred,
    setup: &Setup,
    number: usize,
    asker: &mut Frames<OwnedReadHalf>,
) -> Result<Option<(Policy, Verb)>, String> {
    let policy = Policy::load(&setup.policy).map_err(|error| error.to_string())?;
    if peer.uid() != policy.user.as_raw() {
        return Err("this user may not ask the helper of this host".to_owned());
    }
    if number > AT_ONCE {
        return Err("the helper has too much to do; try again".to_owned());
    }
    let frame = match timeout(ASK, asker.next()).await {
        Ok(Ok(Some(frame))) => frame,
        Ok(Ok(None)) => return Ok(None),
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("nothing was asked in time".to_owned()),
    };
    let verb = frame.parse::<Verb>();
    let verb = verb.ok_or("that is no verb of this helper, or not how it is asked")?;
    policy.check(&verb).map_err(|refusal| refusal.to_string())?;
    // An update may have put another in its place.
    if !setup.program.is_file() {
        return Err("the helper's program was replaced; restart it".to_owned());
    }
    Ok(Some((policy, verb)))
}

async fn refuse(peer: &UCred, why: &str, write: &mut OwnedWriteHalf) -> io::Result<()> {
    tracing::warn!(uid = peer.uid(), pid = peer.pid(), why, "refused");
    Frame::word(&Answer::Done(failed(why)))?.write(write).await
}
