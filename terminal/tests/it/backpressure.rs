//! A viewer that takes nothing holds the shell back, and can still stop it.

use std::time::Duration;

use gangplank_proto::limit;
use gangplank_proto::link::{Open, ToTerminal};

use super::sshd::{ED25519, Sshd, pty_request};
use super::viewer::{Came, Viewer, eventually, keeper};

/// Bytes that a process has read so far.
fn read_bytes(pid: &str) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
    line.parse().unwrap()
}

async fn holds_back(mut viewer: Viewer) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("big");
    std::fs::File::create(&file).unwrap().set_len(1 << 30).unwrap();
    let command = format!("printf 'pi%s=%s;' d $$; exec cat {}\n", file.display());
    viewer.send(command).await;
    viewer.until("pid=").await;
    let pid = viewer.until(";").await;

    // From here on nothing is acknowledged.
    viewer.acknowledges = false;
    let before = viewer.seen.len();
    // The shell has become the source once the first of its bytes is here.
    assert!(matches!(viewer.next().await, Came::Data(_)));
    while let Ok(came) = tokio::time::timeout(Duration::from_millis(500), viewer.next()).await {
        assert!(matches!(came, Came::Data(_)), "{came:?}");
        let held = viewer.seen.len() - before;
        assert!(held <= limit::TERMINAL_WINDOW as usize, "{held} bytes without acknowledgement");
    }
    let read = read_bytes(&pid);
    assert!(read < 16 << 20, "the source went on to {read} bytes");

    // A key passes all that waits, and the source dies of it.
    viewer.send("\x03").await;
    let process = format!("/proc/{pid}");
    eventually("the end of the source", || {
        (!std::path::Path::new(&process).exists()).then_some(())
    })
    .await;
    viewer.word(ToTerminal::Close);
    viewer.exit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_holds_back() {
    let sshd = Sshd::start("");
    let key = sshd.authorize("id", ED25519, None);
    let mut viewer = Viewer::open(&keeper(), sshd.open(&key));
    viewer.connected(Some(&key)).await.unwrap();
    holds_back(viewer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pty_holds_back() {
    let open = Open::Pty { username: None, pty: pty_request() };
    let mut viewer = Viewer::open(&keeper(), open);
    viewer.connected(None).await.unwrap();
    holds_back(viewer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_loses_nothing_even_across_an_exchange_of_keys() {
    let sshd = Sshd::start("RekeyLimit 300K\n");
    let key = sshd.authorize("id", ED25519, None);
    let noise: Vec<u8> = (0..1_000_000u32).flat_map(|n| n.wrapping_mul(97).to_be_bytes()).collect();
    let file = sshd.dir().join("noise");
    std::fs::write(&file, &noise).unwrap();
    let mut viewer = Viewer::open(&keeper(), sshd.open(&key));
    viewer.connected(Some(&key)).await.unwrap();
    viewer.send(format!("stty raw -echo; printf 'RE%sY' AD; exec cat {}\n", file.display())).await;
    viewer.until("READY").await;
    let mut shown = 0;
    while shown < noise.len() {
        // Nothing is acknowledged until nothing comes any more.
        viewer.acknowledges = false;
        let mut waiting = viewer.seen.len() - shown;
        while let Ok(Came::Data(len)) =
            tokio::time::timeout(Duration::from_millis(100), viewer.next()).await
        {
            waiting += len;
        }
        viewer.acknowledges = true;
        viewer.channel.output.consumed(waiting);
        shown = viewer.seen.len();
    }
    assert_eq!(viewer.exit().await.exit_status, Some(0));
    assert!(viewer.seen == noise, "{} of {} bytes", viewer.seen.len(), noise.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_nobody_reads_stops_no_output() {
    let open = Open::Pty { username: None, pty: pty_request() };
    let mut viewer = Viewer::open(&keeper(), open);
    viewer.connected(None).await.unwrap();
    viewer.send("stty raw -echo; printf 'RE%sY' AD; exec head -c 5000000 /dev/zero\n").await;
    viewer.until("READY").await;
    // More than a PTY takes, less than the window: it is never read.
    viewer.send(vec![b'x'; 200_000]).await;
    viewer.collect(5_000_000).await;
    assert_eq!(viewer.exit().await.exit_status, Some(0));
}
