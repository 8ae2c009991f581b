//! Addresses at which nobody should ever call: loopback listeners that write down who did.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{io::AsyncReadExt as _, net::TcpListener, task::JoinHandle};

/// How long a caller may take to say something.
const WORDS: Duration = Duration::from_secs(2);

/// Addresses of the listeners: more than the one that everybody knows.
const ADDRESSES: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)),
    IpAddr::V4(Ipv4Addr::new(127, 8, 8, 8)),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Somebody who called.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which listener it was.
    pub at: SocketAddr,
    /// What was said first.
    pub said: Vec<u8>,
}

/// Listeners that wait for nobody.
#[derive(Debug)]
pub struct Farm {
    addresses: Vec<SocketAddr>,
    calls: Arc<Mutex<Vec<Call>>>,
    listening: Vec<JoinHandle<()>>,
}

impl Farm {
    /// Listens at several addresses, each at a free port. Where there is no IPv6, without it.
    ///
    /// # Panics
    /// When there is no loopback network.
    pub async fn open() -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let mut farm = Self { addresses: Vec::new(), calls, listening: Vec::new() };
        for address in ADDRESSES {
            let listener = match TcpListener::bind((address, 0)).await {
                Ok(listener) => listener,
                Err(_) if address.is_ipv6() => continue,
                Err(error) => panic!("{address}: {error}"),
            };
            let at = listener.local_addr().expect("an address");
            farm.addresses.push(at);
            farm.listening.push(tokio::spawn(listen(listener, at, Arc::clone(&farm.calls))));
        }
        farm
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Who called so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checks that nobody called, and that somebody who did would have been noticed.
    ///
    /// # Panics
    /// When somebody did.
    pub async fn nobody_came(self) {
        let calls = self.calls();
        assert!(calls.is_empty(), "{calls:?}");
        for (number, address) in self.addresses.iter().enumerate() {
            let caller = tokio::net::TcpStream::connect(address).await;
            drop(caller.expect("the farm listens still"));
            crate::eventually::until(WORDS * 2, "the farm to notice", || async {
                (self.calls().len() > number).then_some(())
            })
            .await;
        }
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        self.listening.iter().for_each(JoinHandle::abort);
    }
}

async fn listen(listener: TcpListener, at: SocketAddr, calls: Arc<Mutex<Vec<Call>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let number = {
            let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.push(Call { at, said: Vec::new() });
            calls.len() - 1
        };
        let mut said = vec![0; 512];
        let read = tokio::time::timeout(WORDS, stream.read(&mut said)).await;
        said.truncate(read.ok().and_then(Result::ok).unwrap_or_default());
        calls.lock().unwrap_or_else(PoisonError::into_inner)[number].said = said;
    }
}
