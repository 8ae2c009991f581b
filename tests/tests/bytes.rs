//! Bytes arrive as they were sent, in both directions and every mode, and no faster than they are
//! taken.

use std::{fmt::Write as _, time::Duration};

use gangplank_tests::{account::random, fleet::Fleet, http::Client, page::Page};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

static FLEET: OnceCell<Fleet> = OnceCell::const_new();

async fn fleet() -> &'static Fleet {
    FLEET.get_or_init(Fleet::start).await
}

/// The three ways to the host, each with its key accepted.
fn modes(fleet: &Fleet) -> [Value; 3] {
    let mut modes = [fleet.direct(), fleet.proxy(), fleet.pty()];
    for mode in &mut modes {
        mode["accept_host_key"] = fleet.sshd.fingerprints()[0].clone().into();
    }
    modes
}

async fn open(client: &Client, fleet: &Fleet, mode: &Value) -> Page {
    let mut page = Page::open(client, fleet.host()).await;
    page.connected(mode.clone()).await;
    page
}

/// Text that takes 1 MB and can be told from any other.
fn megabyte() -> String {
    let mut text = String::with_capacity(1_000_000);
    let tag = hex::encode(random::<4>());
    for number in 0.. {
        let line = format!("{tag} line {number}: the quick brown fox, naïve café, 日本語\n");
        if text.len() + line.len() > 1_000_000 {
            break;
        }
        text.push_str(&line);
    }
    while text.len() < 1_000_000 {
        text.push('.');
    }
    text
}

#[tokio::test]
async fn a_paste_of_a_megabyte_arrives_whole() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    let paste = megabyte();
    let digest = hex::encode(Sha256::digest(&paste));
    for mode in modes(fleet) {
        let mut page = open(&admin, fleet, &mode).await;
        page.keys("stty raw -echo; echo re\"\"ady; head -c 1000000 | sha256sum; stty sane\r").await;
        page.shows("ready").await;
        page.keys(&paste).await;
        page.shows(&digest).await;
    }
}

#[tokio::test]
async fn a_paste_in_patchmon_s_vocabulary_arrives_whole() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    let paste = megabyte();
    let half: String = paste.chars().take(400_000).collect();
    let digest = hex::encode(Sha256::digest(&half));
    for mode in modes(fleet) {
        let mut page = Page::open_json(&admin, fleet.host()).await;
        page.connected(mode).await;
        let count = half.len();
        page.keys(&format!(
            "stty raw -echo; echo re\"\"ady; head -c {count} | sha256sum; stty sane\r"
        ))
        .await;
        page.shows("ready").await;
        page.keys(&half).await;
        page.shows(&digest).await;
    }
}

#[tokio::test]
async fn all_byte_values_survive_both_ways() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    let all: Vec<u8> = (0..=255).collect();
    let digest = hex::encode(Sha256::digest(&all));
    let octal = all.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "\\{byte:03o}");
        text
    });
    for mode in modes(fleet) {
        let mut page = open(&admin, fleet, &mode).await;
        // Down: printed by the shell while the terminal changes nothing.
        page.keys("PS1=; stty raw -echo\r").await;
        page.keys(&format!("printf 'st''art{octal}'\n")).await;
        page.shows("start").await;
        assert_eq!(page.take(256).await, all, "{mode}");
        // Up: counted and summed by the host.
        page.keys("echo re''ady; head -c 256 | sha256sum\n").await;
        page.shows("ready").await;
        page.bytes(&all).await;
        page.shows(&digest).await;
    }
}

#[tokio::test]
async fn a_character_split_between_two_writes_is_not_broken() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    // Three bytes, written one at a time with pauses that make each a read of its own.
    let command =
        "printf 'sp''lit\\343'; sleep 0.2; printf '\\201'; sleep 0.2; printf '\\202.\\n'\r";
    for mode in modes(fleet) {
        let mut page = Page::open_json(&admin, fleet.host()).await;
        page.connected(mode.clone()).await;
        page.keys(command).await;
        page.shows("splitあ.").await;
        let mut page = open(&admin, fleet, &mode).await;
        page.keys(command).await;
        page.shows("splitあ.").await;
    }
}

#[tokio::test]
async fn what_is_no_text_is_shown_as_such_in_patchmon_s_vocabulary() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    let mut page = Page::open_json(&admin, fleet.host()).await;
    page.connected(fleet.pty()).await;
    page.keys("printf 'bro''ken\\377\\343\\201.\\n'\r").await;
    page.shows("broken\u{fffd}").await;
    page.proves_a_shell().await;
}

#[tokio::test]
async fn a_page_that_does_not_acknowledge_gets_no_more_than_a_window() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    for mode in modes(fleet) {
        let mut page = open(&admin, fleet, &mode).await;
        page.proves_a_shell().await;
        page.stop_acknowledging();
        let before = page.output().len();
        page.keys("yes | head -c 4000000\r").await;
        let got = page.settled(Duration::from_secs(2)).await - before;
        assert!(got <= 256 << 10, "{got} bytes without an acknowledgement in {mode}");
        assert!(got >= 128 << 10, "only {got} bytes of a window in {mode}");
    }
}

#[tokio::test]
async fn output_of_many_megabytes_is_complete() {
    let fleet = fleet().await;
    let admin = fleet.admin().await;
    for mode in modes(fleet) {
        let mut page = open(&admin, fleet, &mode).await;
        page.keys("PS1=; stty raw -echo\r").await;
        page.keys("printf be''gin; seq 1 400000; printf e''nd\n").await;
        page.shows("begin").await;
        let mut wanted = String::new();
        for number in 1..=400_000 {
            let _ = writeln!(wanted, "{number}");
        }
        let got = page.take(wanted.len()).await;
        assert!(got == wanted.as_bytes(), "not the same bytes in {mode}");
        page.shows("end").await;
    }
}

/// Resident memory of a process, in KiB.
fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.split_whitespace().next().and_then(|text| text.parse().ok()).expect("a number")
}

#[tokio::test]
async fn a_reader_that_stops_costs_a_window_and_misses_nothing() {
    let fleet = Fleet::start().await;
    let admin = fleet.admin().await;
    let len = 40_000_000;
    for mode in modes(&fleet) {
        let mut page = open(&admin, &fleet, &mode).await;
        page.keys("PS1=; stty raw -echo\r").await;
        page.stop_acknowledging();
        let (daemon, agent) = (fleet.daemon.pid(), fleet.agent.pid().as_raw());
        let before = (resident(daemon), resident(agent));
        page.keys(&format!("printf be''gin; yes | head -c {len}; printf e''nd\n")).await;
        page.settled(Duration::from_secs(2)).await;
        let after = (resident(daemon), resident(agent));
        // The ring, a window on each leg, and what an allocator keeps for itself.
        let limit = 4 << 10;
        assert!(after.0 <= before.0 + limit, "daemon {before:?} -> {after:?} KiB in {mode}");
        assert!(after.1 <= before.1 + limit, "agent {before:?} -> {after:?} KiB in {mode}");
        page.acknowledge_again().await;
        page.shows("begin").await;
        let got = page.take(len).await;
        assert!(got.chunks(2).all(|line| line == b"y\n"), "other bytes in {mode}");
        page.shows("end").await;
    }
}
