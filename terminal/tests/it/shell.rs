//! What every shell does, by SSH and on a local PTY alike.

use bytes::Bytes;
use gangplank_proto::link::{FromTerminal, Open, Size, ToTerminal};
use gangplank_terminal::queue::Item;
use gangplank_terminal::ssh::key::UserKey;
use sha2::{Digest as _, Sha256};

use super::sshd::{ED25519, Sshd, pty_request};
use super::viewer::{Viewer, keeper};

/// A shell by either way, for the checks below.
struct Way {
    open: Open,
    key: Option<UserKey>,
    _sshd: Option<Sshd>,
}

fn ssh() -> Way {
    let sshd = Sshd::start("");
    let key = sshd.authorize("id", ED25519, None);
    Way { open: sshd.open(&key), key: Some(key), _sshd: Some(sshd) }
}

fn pty() -> Way {
    Way { open: Open::Pty { username: None, pty: pty_request() }, key: None, _sshd: None }
}

impl Way {
    async fn viewer(&self) -> Viewer {
        let mut viewer = Viewer::open(&keeper(), self.open.clone());
        viewer.connected(self.key.as_ref()).await.unwrap();
        viewer
    }
}

async fn computes(way: &Way) {
    let mut viewer = way.viewer().await;
    viewer.send("echo $((6*7)) $TERM\n").await;
    viewer.until("42 xterm-256color").await;
    viewer.send("stty size; tty\n").await;
    viewer.until("31 97").await;
    viewer.until("/dev/pts/").await;
    viewer.word(ToTerminal::Resize(Size::new(132, 43).unwrap()));
    viewer.send("stty size; echo stderr$((1+1)) >&2\n").await;
    viewer.until("43 132").await;
    viewer.until("stderr2").await;
    viewer.send("exit 3\n").await;
    let exit = viewer.exit().await;
    assert_eq!((exit.exit_status, exit.signal), (Some(3), None));
}

async fn reports_a_signal(way: &Way) {
    let mut viewer = way.viewer().await;
    viewer.send("kill -KILL $$\n").await;
    let exit = viewer.exit().await;
    assert_eq!(exit.signal.as_deref(), Some("KILL"), "{exit:?}");
}

async fn gives_all_output_before_the_end(way: &Way) {
    const LEN: usize = 10 << 20;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("noise");
    let noise: Vec<u8> =
        (0..LEN as u32 / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(&file, &noise).unwrap();
    let mut viewer = way.viewer().await;
    let command = format!("stty raw -echo; printf 'RE%sY' AD; exec cat {}\n", file.display());
    viewer.send(command).await;
    viewer.until("READY").await;
    let exit = viewer.exit().await;
    assert_eq!(exit.exit_status, Some(0));
    assert_eq!(viewer.seen.len(), LEN);
    assert_eq!(Sha256::digest(&viewer.seen), Sha256::digest(&noise));
}

async fn carries_every_byte_both_ways(way: &Way) {
    let mut viewer = way.viewer().await;
    viewer.send("stty raw -echo; printf 'RE%sY' AD; exec cat\n").await;
    viewer.until("READY").await;
    let bytes: Vec<u8> = (0..=255u8).cycle().take(1 << 20).collect();
    let Viewer { channel, .. } = viewer;
    let gangplank_terminal::channel::Channel { input, output } = channel;
    let sent = Bytes::from(bytes.clone());
    let sending = tokio::spawn(async move {
        super::viewer::send(&input, sent).await;
        input
    });
    let mut output = output;
    let mut seen = Vec::new();
    while seen.len() < bytes.len() {
        let item = super::viewer::soon("an echo", output.recv()).await;
        let data = match item.unwrap() {
            Some(Item::Data(data)) => data,
            Some(Item::Word(FromTerminal::WindowAdjust { .. })) => continue,
            item => panic!("{item:?}"),
        };
        output.consumed(data.len());
        seen.extend_from_slice(&data);
    }
    assert!(seen == bytes, "bytes changed on the way");
    drop(sending.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_computes() {
    computes(&ssh()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pty_computes() {
    computes(&pty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_reports_a_signal() {
    reports_a_signal(&ssh()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pty_reports_a_signal() {
    reports_a_signal(&pty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_gives_all_output_before_the_end() {
    gives_all_output_before_the_end(&ssh()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pty_gives_all_output_before_the_end() {
    gives_all_output_before_the_end(&pty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_carries_every_byte_both_ways() {
    carries_every_byte_both_ways(&ssh()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pty_carries_every_byte_both_ways() {
    carries_every_byte_both_ways(&pty()).await;
}
