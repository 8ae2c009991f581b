//! The network between a browser and the daemon, in the hands of a test: it can be cut, and it can
//! go dead without a word, as when a laptop changes from one network to another.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::sshd::free_port;

/// A forwarder of TCP connections.
#[derive(Debug)]
pub struct Line {
    port: u16,
    up: Arc<AtomicBool>,
    pairs: Arc<Mutex<Vec<Pair>>>,
}

/// One connection of a browser and the one to the daemon behind it.
#[derive(Debug)]
struct Pair {
    ends: [TcpStream; 2],
    /// Whether what one end sends reaches the other.
    carries: Arc<AtomicBool>,
}

impl Line {
    /// A port to be put into the daemon's public URL before the line is there.
    pub fn reserve() -> u16 {
        free_port()
    }

    /// Listens on `port` and passes everything on to `upstream` (`HOST:PORT`).
    pub fn start(port: u16, upstream: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a reserved port");
        let line = Self { port, up: Arc::new(AtomicBool::new(true)), pairs: Arc::default() };
        let (up, pairs) = (Arc::clone(&line.up), Arc::clone(&line.pairs));
        let upstream = upstream.to_owned();
        thread::spawn(move || {
            for outer in listener.incoming().map_while(Result::ok) {
                if !up.load(Ordering::Acquire) {
                    continue;
                }
                if let Ok(inner) = TcpStream::connect(&upstream) {
                    locked(&pairs).push(Pair::joining(outer, inner));
                }
            }
        });
        line
    }

    /// Address of a page through this line.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Ends every connection, and lets none through until [`Line::mend`].
    pub fn cut(&self) {
        self.up.store(false, Ordering::Release);
        for Pair { ends, .. } in locked(&self.pairs).drain(..) {
            for end in ends {
                let _ = end.shutdown(Shutdown::Both);
            }
        }
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.up.store(true, Ordering::Release);
    }

    /// From now on nothing comes through the connections that there are, nor that one of them was
    /// closed. New ones work.
    pub fn strand(&self) {
        for pair in locked(&self.pairs).iter() {
            pair.carries.store(false, Ordering::Release);
        }
    }
}

impl Pair {
    fn joining(outer: TcpStream, inner: TcpStream) -> Self {
        let carries = Arc::new(AtomicBool::new(true));
        let ends = [outer, inner];
        for (from, to) in [(0, 1), (1, 0)] {
            let [from, to] = [&ends[from], &ends[to]].map(|end| {
                let _ = end.set_nodelay(true);
                end.try_clone().expect("a file descriptor")
            });
            let carries = Arc::clone(&carries);
            thread::spawn(move || carry(from, to, &carries));
        }
        Self { ends, carries }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, carries: &AtomicBool) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        let carried = !carries.load(Ordering::Acquire) || to.write_all(&buffer[..read]).is_ok();
        if read == 0 || !carried {
            break;
        }
    }
    if carries.load(Ordering::Acquire) {
        let _ = to.shutdown(Shutdown::Write);
    }
}

fn locked(pairs: &Mutex<Vec<Pair>>) -> MutexGuard<'_, Vec<Pair>> {
    pairs.lock().unwrap_or_else(PoisonError::into_inner)
}
