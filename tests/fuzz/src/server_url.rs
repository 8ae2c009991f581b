//! Server URLs as people write them.

use gangplank_proto::server_url::ServerUrl;
use url::Url;

/// Any text is read or refused; what is read is shown as a URL that means the same, and the socket's
/// URL leads to the same place.
pub fn server_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(server) = ServerUrl::parse(text) else { return };
    let shown = server.to_string();
    assert_eq!(ServerUrl::parse(&shown).as_ref(), Ok(&server), "{shown}");
    assert!(!shown.ends_with('/'), "{shown}");
    let socket = Url::parse(&server.agent_socket()).expect("the socket's URL is one");
    assert_eq!(socket.scheme(), if server.is_tls() { "wss" } else { "ws" });
    let host = socket.host_str().expect("a socket has a host");
    assert_eq!(host.trim_matches(['[', ']']), server.host());
    assert_eq!(socket.port_or_known_default(), Some(server.port()));
    assert_eq!(socket.path(), server.path("/api/v1/agents/ws"));
    assert!(socket.username().is_empty() && socket.password().is_none());
    assert!(socket.query().is_none() && socket.fragment().is_none());
}
