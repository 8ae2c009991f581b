//! Dialling a TCP port by name: several addresses are tried at once (RFC 8305), and only the given
//! ones where somebody has chosen among them, so that a name that leads elsewhere the next time
//! changes nothing.

use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use gangplank_proto::error::{ErrorCode, OpenError};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep, timeout_at};

/// The next address is tried when the one before has not answered for so long (RFC 8305 §5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Addresses of one name that are tried at most.
const ADDRESSES: usize = 16;

/// Longest name (RFC 1035 §2.3.4).
const NAME_BYTES: usize = 255;

/// The addresses of a host that may be one: unspecified, multicast and broadcast addresses are no
/// hosts, and an IPv4 address in IPv6 clothes is taken as the IPv4 address that it is.
///
/// # Errors
/// `bad_request` for what can't be a host, `unreachable` or `timeout` when its address isn't found,
/// `not_allowed` when it has none that is a host's.
pub async fn resolve(
    host: &str,
    port: u16,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, OpenError> {
    if host.is_empty() || host.len() > NAME_BYTES || host.chars().any(|c| !c.is_ascii_graphic()) {
        return Err(OpenError::new(ErrorCode::BadRequest, "not a host name or address"));
    }
    if port == 0 {
        return Err(OpenError::new(ErrorCode::BadRequest, "0 is not a port"));
    }
    let Ok(found) = timeout_at(deadline, lookup_host((host.trim_matches(['[', ']']), port))).await
    else {
        return Err(OpenError::new(
            ErrorCode::Timeout,
            format!("the address of {host} was not found in time"),
        ));
    };
    match found {
        Ok(found) => hosts(host, found),
        Err(error) => Err(OpenError::new(
            ErrorCode::Unreachable,
            format!("the address of {host} can't be found: {error}"),
        )),
    }
}

/// Why none of the addresses of a host may be dialled.
#[must_use]
pub fn not_allowed(host: &str) -> OpenError {
    OpenError::new(
        ErrorCode::NotAllowed,
        format!("connections to the address of {host} are not allowed"),
    )
}

fn hosts(
    host: &str,
    addresses: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, OpenError> {
    let seen_through = |mut address: SocketAddr| {
        let ip = address.ip().to_canonical();
        if ip != address.ip() {
            address.set_ip(ip);
        }
        address
    };
    let is_host = |address: &SocketAddr| {
        let ip = address.ip();
        !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST)
    };
    let hosts: Vec<_> = addresses.take(ADDRESSES).map(seen_through).filter(is_host).collect();
    if hosts.is_empty() { Err(not_allowed(host)) } else { Ok(hosts) }
}

/// Connects to `host:port` before `deadline`: at one of `addresses`, or, without any, where its name
/// leads to.
///
/// # Errors
/// As [`resolve`], and `unreachable` or `timeout` when nobody answers.
pub async fn dial(
    host: &str,
    port: u16,
    addresses: Option<&[IpAddr]>,
    deadline: Instant,
) -> Result<TcpStream, OpenError> {
    let addresses = match addresses {
        Some(addresses) => hosts(host, addresses.iter().map(|ip| SocketAddr::new(*ip, port)))?,
        None => resolve(host, port, deadline).await?,
    };
    match timeout_at(deadline, race(interleave(addresses))).await {
        Ok(Ok(stream)) => {
            tune(&stream);
            Ok(stream)
        }
        Ok(Err(error)) => Err(unreachable(host, port, &error)),
        Err(_) => {
            Err(OpenError::new(ErrorCode::Timeout, format!("{host}:{port} did not answer in time")))
        }
    }
}

fn unreachable(host: &str, port: u16, error: &io::Error) -> OpenError {
    let message = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("{host}:{port} refused the connection: nothing listens there")
        }
        io::ErrorKind::TimedOut => {
            let message = format!("{host}:{port} did not answer in time");
            return OpenError::new(ErrorCode::Timeout, message);
        }
        _ => format!("{host}:{port} can't be reached: {error}"),
    };
    OpenError::new(ErrorCode::Unreachable, message)
}

/// Alternates the address families, keeping the resolver's order within each (RFC 8305 §4).
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut mixed = Vec::new();
    for address in first {
        mixed.push(address);
        mixed.extend(second.next());
    }
    mixed.extend(second);
    mixed
}

/// Starts one attempt after the other, each when the one before failed or takes long; the first
/// that connects wins and the others are dropped.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(address) = waiting.next() {
            attempts.push(TcpStream::connect(address));
        }
        let more = waiting.len() > 0;
        let patience = async { if more { sleep(ATTEMPT_DELAY).await } else { pending().await } };
        tokio::select! {
            finished = attempts.next() => match finished {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => failure = error,
                None => return Err(failure),
            },
            () = patience => {}
        }
    }
}

/// Keys must not wait for a full segment, and a peer that vanished must be noticed. A socket that
/// refuses an option still works, so failures are only told.
fn tune(stream: &TcpStream) {
    let tuned = stream.set_nodelay(true).is_ok()
        && setsockopt(stream, sockopt::KeepAlive, &true).is_ok()
        && setsockopt(stream, sockopt::TcpKeepIdle, &30).is_ok()
        && setsockopt(stream, sockopt::TcpKeepInterval, &10).is_ok()
        && setsockopt(stream, sockopt::TcpKeepCount, &3).is_ok();
    if !tuned {
        tracing::debug!("a socket option was refused");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn families_alternate() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (a, b, c) = (parse("[::1]:1"), parse("[::2]:1"), parse("1.2.3.4:1"));
        assert_eq!(interleave(vec![a, b, c]), vec![a, c, b]);
    }

    #[tokio::test]
    async fn an_ipv4_address_in_ipv6_clothes_is_seen_through() {
        let found = resolve("::ffff:127.0.0.1", 22, soon()).await.unwrap();
        assert_eq!(found, ["127.0.0.1:22".parse().unwrap()]);
        for nobody in ["0.0.0.0", "::ffff:0.0.0.0", "224.0.0.1", "255.255.255.255", "ff02::1"] {
            let error = resolve(nobody, 22, soon()).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::NotAllowed, "{nobody}");
        }
    }

    #[tokio::test]
    async fn given_addresses_are_the_only_ones_that_are_dialled() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        let elsewhere = TcpListener::bind(("127.0.0.2", alive.port())).await.unwrap();
        let only = ["127.0.0.2".parse().unwrap()];
        let stream = dial("127.0.0.1", alive.port(), Some(&only), soon()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), elsewhere.local_addr().unwrap());
        for none in [&[][..], &["0.0.0.0".parse().unwrap()]] {
            let error = dial("127.0.0.1", alive.port(), Some(none), soon()).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::NotAllowed);
        }
    }

    #[tokio::test]
    async fn a_second_address_answers_for_a_dead_first() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = closed.local_addr().unwrap();
        drop(closed);
        let stream = race(vec![dead, alive]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
        assert_eq!(race(vec![dead]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn bad_names_are_refused() {
        for host in ["", "a b", "a\nb", "ä", &"x".repeat(256)] {
            let error = dial(host, 22, None, soon()).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::BadRequest, "{host}");
        }
    }
}
