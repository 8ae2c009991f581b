//! Sockets that the service manager opened for us (sd_listen_fds(3)).

use listenfd::ListenFd;
use std::io;
use std::net::TcpListener;
use thiserror::Error;

/// A socket that was handed over can't be used.
#[derive(Debug, Error)]
#[error("socket `{name}` of the service manager: {source}: check ListenStream= in its socket unit")]
pub struct InheritedError {
    name: String,
    source: io::Error,
}

/// Listening TCP sockets by the names that their units give them (`FileDescriptorName=`).
#[derive(Debug, Default)]
pub struct Inherited(Vec<(String, TcpListener)>);

impl Inherited {
    /// Takes all that was handed to this process; nothing when it was started without. To be
    /// called once, before there are threads: it clears the environment of what it took.
    ///
    /// # Errors
    /// When one of them is no listening TCP socket.
    pub fn from_env() -> Result<Self, InheritedError> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut fds = ListenFd::from_env();
        let mut sockets = Vec::new();
        for (index, name) in names_of(&names, fds.len()).into_iter().enumerate() {
            match fds.take_tcp_listener(index) {
                Ok(Some(socket)) => sockets.push((name, socket)),
                Ok(None) => {}
                Err(source) => return Err(InheritedError { name, source }),
            }
        }
        Ok(Self(sockets))
    }

    /// Takes all sockets called `name`; a unit with two addresses gives two.
    pub fn take(&mut self, name: &str) -> Vec<TcpListener> {
        self.0.extract_if(.., |(own, _)| own == name).map(|(_, socket)| socket).collect()
    }

    /// The names of those that nobody took: a misspelt unit, most likely.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// One name a socket; those without are called `unknown`, as sd_listen_fds_with_names(3) does.
fn names_of(list: &str, count: usize) -> Vec<String> {
    let given = list.split(':').filter(|name| !name.is_empty()).map(str::to_owned);
    given.chain(std::iter::repeat("unknown".to_owned())).take(count).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn every_socket_has_a_name() {
        assert_eq!(names_of("tls:tls:redirect", 3), ["tls", "tls", "redirect"]);
        assert_eq!(names_of("tls", 2), ["tls", "unknown"]);
        assert_eq!(names_of("", 1), ["unknown"]);
        assert!(names_of("tls", 0).is_empty());
    }

    #[test]
    fn sockets_are_taken_by_name_once() {
        let socket = || TcpListener::bind("127.0.0.1:0").unwrap();
        let list = [("tls", socket()), ("redirect", socket()), ("tls", socket())];
        let mut inherited = Inherited(list.map(|(name, socket)| (name.to_owned(), socket)).into());
        assert_eq!(inherited.take("tls").len(), 2);
        assert!(inherited.take("tls").is_empty());
        assert_eq!(inherited.names().collect::<Vec<_>>(), ["redirect"]);
    }
}
