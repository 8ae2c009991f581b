//! Servers that mean no good, and connections that break.

use std::time::Duration;

use gangplank_proto::error::ErrorCode;
use gangplank_proto::link::{Credential, Open, Trust};
use gangplank_terminal::keeper::KeeperConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::sshd::{ED25519, Sshd, me, pty_request};
use super::viewer::{Viewer, keeper, keeper_with, soon};

#[derive(Debug, Clone, Copy)]
enum Malice {
    /// Lines before the greeting, without end.
    Chatter,
    /// One line before the greeting, without end.
    Babble,
    /// A greeting and then nothing.
    Silence,
    /// A greeting and then bytes that are no packets.
    Noise,
    /// A greeting and a packet that claims to be huge.
    Huge,
    /// A goodbye before anything.
    Goodbye,
}

const GREETING: &[u8] = b"SSH-2.0-Hostile\r\n";

async fn behave(malice: Malice, stream: &mut TcpStream) -> std::io::Result<()> {
    match malice {
        Malice::Chatter => loop {
            stream.write_all(b"please hold the line\r\n").await?;
        },
        Malice::Babble => loop {
            stream.write_all(&[b'x'; 4096]).await?;
        },
        Malice::Silence => stream.write_all(GREETING).await?,
        Malice::Noise => {
            stream.write_all(GREETING).await?;
            loop {
                stream.write_all(&[0xa5; 4096]).await?;
            }
        }
        Malice::Huge => {
            stream.write_all(GREETING).await?;
            stream.write_all(&[0x7f, 0xff, 0xff, 0xff, 4]).await?;
            loop {
                stream.write_all(&[0; 4096]).await?;
            }
        }
        Malice::Goodbye => return Ok(()),
    }
    // Until the other side has had enough.
    let mut sink = [0; 4096];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}

#[tokio::test]
async fn each_is_given_up_in_time_and_cut_off() {
    for malice in [
        Malice::Chatter,
        Malice::Babble,
        Malice::Silence,
        Malice::Noise,
        Malice::Huge,
        Malice::Goodbye,
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // However it ends, it ends.
            let _ = behave(malice, &mut stream).await;
        });
        let connect_timeout = Duration::from_millis(500);
        let keeper = keeper_with(KeeperConfig { connect_timeout, ..KeeperConfig::default() });
        let open = Open::Ssh {
            host: "127.0.0.1".to_owned(),
            port,
            addresses: None,
            username: me(),
            trust: Trust::default(),
            credential: Credential::default(),
            pty: pty_request(),
        };
        let error = Viewer::open(&keeper, open).connected(None).await.unwrap_err();
        let expected = [ErrorCode::Timeout, ErrorCode::Unreachable];
        assert!(expected.contains(&error.code), "{malice:?}: {error}");
        soon("the end of the connection", server).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_told() {
    let sshd = Sshd::start("");
    let key = sshd.authorize("id", ED25519, None);
    let mut viewer = Viewer::open(&keeper(), sshd.open(&key));
    viewer.connected(Some(&key)).await.unwrap();
    // The shell's parent is the server's end of the connection.
    viewer.send("kill -KILL $PPID\n").await;
    let exit = viewer.exit().await;
    let reason = exit.reason.unwrap();
    assert!(reason.starts_with("the connection to the server was lost"), "{reason}");
    assert_eq!((exit.exit_status, exit.signal), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_a_terminal_takes_the_remote_shell_with_it() {
    let sshd = Sshd::start("");
    let key = sshd.authorize("id", ED25519, None);
    let mut viewer = Viewer::open(&keeper(), sshd.open(&key));
    viewer.connected(Some(&key)).await.unwrap();
    viewer.send("printf 'pi%s=%s;' d $$; exec sleep 1000\n").await;
    viewer.until("pid=").await;
    let process = format!("/proc/{}", viewer.until(";").await);
    // A shell that is told of the hangup just before it becomes another program forgets about it.
    super::viewer::eventually("the shell to become another program", || {
        let name = std::fs::read_to_string(format!("{process}/comm")).ok()?;
        (name.trim() == "sleep").then_some(())
    })
    .await;
    viewer.channel.input.close();
    super::viewer::eventually("the end of the remote shell", || {
        (!std::path::Path::new(&process).exists()).then_some(())
    })
    .await;
}
