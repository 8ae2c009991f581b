//! TCP to a name: all its addresses, IPv6 and IPv4 in turns, a new attempt while the one before
//! still waits (RFC 8305), the first that succeeds wins.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use gangplank_proto::limit;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::DialError;

/// Time that an attempt has for itself before the next address is tried too (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Idle time before the kernel asks whether the peer is alive, and between two questions, in
/// seconds. The link's own ping is what counts; this is for streams that have none.
const KEEPALIVE_SECONDS: u32 = 30;

/// Time that sent bytes may stay unacknowledged before the kernel gives up, in milliseconds.
const USER_TIMEOUT_MILLIS: u32 = 60_000;

/// Connects to `host`, a name or an address without brackets.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let resolved = tokio::time::timeout(limit::ESTABLISH, resolve(host, port)).await;
    let addresses = resolved.unwrap_or(Err(DialError::Timeout(format!("the DNS for {host}"))))?;
    let connected = tokio::time::timeout(limit::ESTABLISH, race(addresses)).await;
    match connected {
        Err(_) => Err(DialError::Timeout(format!("{host} port {port}"))),
        Ok(Err(source)) => Err(DialError::Connect { host: host.to_owned(), port, source }),
        Ok(Ok(stream)) => {
            if let Err(error) = tune(&stream) {
                tracing::debug!(%error, "a socket could not be tuned");
            }
            Ok(stream)
        }
    }
}

/// All addresses of `host`, IPv6 and IPv4 in turns.
pub(crate) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
    let failed = |source| DialError::Resolve { host: host.to_owned(), source };
    let found: Vec<SocketAddr> =
        tokio::net::lookup_host((host, port)).await.map_err(failed)?.collect();
    if found.is_empty() {
        return Err(failed(io::Error::other("it has no address")));
    }
    Ok(in_turns(&found))
}

fn in_turns(found: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut six = found.iter().filter(|address| address.is_ipv6());
    let mut four = found.iter().filter(|address| address.is_ipv4());
    let mut turns = Vec::with_capacity(found.len());
    loop {
        let before = turns.len();
        turns.extend(six.next());
        turns.extend(four.next());
        if turns.len() == before {
            return turns;
        }
    }
}

async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut last = io::Error::other("it has no address");
    // Dropping the set ends the attempts that lost.
    let mut attempts = JoinSet::new();
    if let Some(address) = waiting.next() {
        attempts.spawn(TcpStream::connect(address));
    }
    loop {
        let head_start = tokio::time::sleep(HEAD_START);
        tokio::select! {
            ended = attempts.join_next() => match ended {
                None => return Err(last),
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => last = error,
                Some(Err(error)) => last = io::Error::other(error),
            },
            () = head_start, if waiting.len() > 0 => {}
        }
        if let Some(address) = waiting.next() {
            attempts.spawn(TcpStream::connect(address));
        }
    }
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    #[cfg(target_os = "linux")]
    {
        setsockopt(stream, sockopt::TcpKeepIdle, &KEEPALIVE_SECONDS)?;
        setsockopt(stream, sockopt::TcpKeepInterval, &KEEPALIVE_SECONDS)?;
        setsockopt(stream, sockopt::TcpUserTimeout, &USER_TIMEOUT_MILLIS)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_turns() {
        let found = ["1.1.1.1:1", "1.1.1.2:1", "[::1]:1"].map(|text| text.parse().unwrap());
        let turns: Vec<String> = in_turns(&found).iter().map(ToString::to_string).collect();
        assert_eq!(turns, ["[::1]:1", "1.1.1.1:1", "1.1.1.2:1"]);
    }

    #[tokio::test]
    async fn a_dead_address_does_not_hide_a_living_one() {
        let dead = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead_address = dead.local_addr().unwrap();
        drop(dead);
        let alive = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = alive.local_addr().unwrap();
        let stream = race(vec![dead_address, address]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        assert_eq!(
            race(vec![dead_address]).await.unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
    }
}
