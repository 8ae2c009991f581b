//! Sockets and their options.

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{
    KeepAlive, TcpKeepCount, TcpKeepIdle, TcpKeepInterval, TcpUserTimeout,
};
use std::io;
use std::net::SocketAddr;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections that the kernel holds for us until they are accepted.
const BACKLOG: u32 = 4096;
/// A peer that is silent for so long (in seconds) is asked whether it is there, and so often.
const KEEP_IDLE: u32 = 30;
const KEEP_INTERVAL: u32 = 10;
const KEEP_COUNT: u32 = 3;
/// What we sent and nobody acknowledged for so long (in milliseconds) breaks the connection.
const USER_TIMEOUT: u32 = 60_000;

/// An address can't be listened on.
#[derive(Debug, Error)]
#[error("{addr}: {source}: {fix}")]
pub struct BindError {
    addr: SocketAddr,
    source: io::Error,
    fix: &'static str,
}

impl BindError {
    pub(super) fn new(addr: SocketAddr, source: io::Error) -> Self {
        use io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
        let fix = match source.kind() {
            AddrInUse => "another program listens there: stop it, or choose another port",
            AddrNotAvailable => "this machine doesn't have the address: choose one that it has",
            PermissionDenied => {
                "ports below 1024 need a right: use the socket unit, or choose another port"
            }
            _ => "choose another address",
        };
        Self { addr, source, fix }
    }
}

/// Binds and listens.
pub(super) fn bind(addr: SocketAddr) -> Result<TcpListener, BindError> {
    let listen = || {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Else a restart has to wait for the last connections of the process before it.
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| BindError::new(addr, source))
}

/// Sends at once, and notices a peer that is gone.
pub(super) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    setsockopt(stream, KeepAlive, &true)?;
    setsockopt(stream, TcpKeepIdle, &KEEP_IDLE)?;
    setsockopt(stream, TcpKeepInterval, &KEEP_INTERVAL)?;
    setsockopt(stream, TcpKeepCount, &KEEP_COUNT)?;
    setsockopt(stream, TcpUserTimeout, &USER_TIMEOUT)?;
    Ok(())
}
