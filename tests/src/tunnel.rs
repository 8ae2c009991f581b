//! An HTTP proxy (CONNECT) between an agent and its daemon, whose connections can be cut.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// A running proxy.
#[derive(Debug)]
pub struct Tunnel {
    port: u16,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    connections: JoinSet<()>,
    closed: bool,
}

impl Tunnel {
    /// Starts a proxy.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
        let port = listener.local_addr().expect("a bound socket").port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                if !state.closed {
                    state.connections.spawn(serve(connection));
                }
            }
        });
        Self { port, state, accepting }
    }

    /// Its URL, for `server.proxy`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Cuts every connection, and what was under way in it; new ones may come at once.
    pub fn cut(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).connections.abort_all();
    }

    /// Cuts every connection, and those to come.
    pub fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.cut();
    }

    /// Takes connections again.
    pub fn open(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = false;
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(connection: TcpStream) {
    let mut connection = BufReader::new(connection);
    let mut target = None;
    loop {
        let mut line = String::new();
        match connection.read_line(&mut line).await {
            Ok(len) if len > 0 => {}
            _ => return,
        }
        let line = line.trim_end();
        if let Some(request) = line.strip_prefix("CONNECT ") {
            target = request.split(' ').next().map(str::to_owned);
        }
        if line.is_empty() {
            break;
        }
    }
    let target = target.expect("a CONNECT");
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    if connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.is_ok() {
        // It ends when either side does.
        let _ = copy_bidirectional(&mut connection, &mut server).await;
    }
}
