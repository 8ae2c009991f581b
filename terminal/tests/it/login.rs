//! Who gets in, and what is said to who doesn't.

use std::time::Duration;

use gangplank_proto::error::ErrorCode;
use gangplank_proto::link::{Credential, Open};
use gangplank_terminal::keeper::KeeperConfig;
use tokio::net::TcpListener;

use super::sshd::{ED25519, Sshd, keygen, me, pty_request, read_key};
use super::viewer::{Viewer, keeper, keeper_with};

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_every_kind_log_in_by_signatures() {
    let sshd = Sshd::start("");
    let kinds: [(&str, &[&str], Option<&str>); 4] = [
        ("ed25519", ED25519, None),
        ("rsa", &["-t", "rsa", "-b", "2048", "-N", ""], None),
        ("ecdsa", &["-t", "ecdsa", "-b", "384", "-N", ""], None),
        ("secret", &["-t", "ed25519", "-N", "open sesame", "-a", "16"], Some("open sesame")),
    ];
    for (name, args, passphrase) in kinds {
        let key = sshd.authorize(name, args, passphrase);
        let mut viewer = Viewer::open(&keeper(), sshd.open(&key));
        let host_key = viewer.connected(Some(&key)).await.unwrap();
        assert_eq!(host_key, Some(sshd.host_key("host_ed25519")));
        assert_eq!(viewer.signs, 1, "{name}");
        viewer.send("echo $((6*7))\n").await;
        viewer.until("42").await;
    }
    assert!(sshd.log().contains("rsa-sha2-512"), "RSA signs with the server's best hash");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strange_key_is_refused_in_plain_words() {
    let sshd = Sshd::start("PasswordAuthentication no\n");
    sshd.authorize("known", ED25519, None);
    let strange = read_key(&keygen(sshd.dir(), "strange", ED25519), None);
    let mut viewer = Viewer::open(&keeper(), sshd.open(&strange));
    let error = viewer.connected(Some(&strange)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::AuthFailed);
    assert_eq!(error.message, "the login was refused; this server takes: publickey");
    assert_eq!(viewer.signs, 0, "a key that the server doesn't want signs nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_signature_is_a_refused_login() {
    let sshd = Sshd::start("");
    let key = sshd.authorize("id", ED25519, None);
    let mut viewer = Viewer::open(&keeper(), sshd.open(&key));
    let error = viewer.connected(None).await.unwrap_err();
    assert_eq!((error.code, viewer.signs), (ErrorCode::AuthFailed, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_could_be_options_are_refused_before_anything_is_dialled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for username in ["", "-oProxyCommand=x", "a\nb", "a\0", &"x".repeat(256)] {
        let open = Open::Ssh {
            host: "127.0.0.1".to_owned(),
            port,
            addresses: None,
            username: username.to_owned(),
            trust: Default::default(),
            credential: Credential::default(),
            pty: pty_request(),
        };
        let error = Viewer::open(&keeper(), open).connected(None).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::BadRequest);
    }
    let nobody = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(nobody.is_err(), "something was dialled");
}

fn open(port: u16) -> Open {
    Open::Ssh {
        host: "127.0.0.1".to_owned(),
        port,
        addresses: None,
        username: me(),
        trust: Default::default(),
        credential: Credential::default(),
        pty: pty_request(),
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connect_timeout = Duration::from_millis(300);
    let keeper = keeper_with(KeeperConfig { connect_timeout, ..KeeperConfig::default() });
    let mut viewer = Viewer::open(&keeper, open(listener.local_addr().unwrap().port()));
    let error = viewer.connected(None).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Timeout, "{error}");
    // The connection itself goes as well.
    let (silent, _) = listener.accept().await.unwrap();
    super::viewer::soon("the end of the connection", async {
        let mut rest = [0; 256];
        loop {
            silent.readable().await.unwrap();
            match silent.try_read(&mut rest) {
                Ok(0) => return,
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = Viewer::open(&keeper(), open(port)).connected(None).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unreachable);
    assert!(error.message.contains("refused the connection"), "{error}");
}

#[tokio::test]
async fn what_is_no_ssh_server_is_unreachable() {
    use tokio::io::AsyncWriteExt as _;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(&b"HTTP/1.1 400 Bad Request\r\n\r\n".repeat(1000)).await;
    });
    let error = Viewer::open(&keeper(), open(port)).connected(None).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unreachable, "{error}");
}
