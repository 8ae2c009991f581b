//! What comes over the network: in pieces, too long, from elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gangplank_certs::ClientTrust;
use gangplank_proto::release::Target;

use crate::release::{Files, Host, Signer};
use crate::server::{Server, answer, from, ok};

/// A program that is there on every system, and content with every argument.
fn program() -> Vec<u8> {
    std::fs::read("/bin/true").unwrap()
}

/// Answers for the daemon's three addresses.
fn of_daemon(files: &Files, head: &str, program: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    match head.split(['?', ' ']).nth(1) {
        Some("/api/v1/agent/manifest") => ok(&files.manifest),
        Some("/api/v1/agent/signature") => ok(files.signature.as_bytes()),
        Some("/api/v1/agent/download") => program(),
        _ => answer("404 Not Found", "", 0, b""),
    }
}

fn nothing_was_staged(host: &Host) {
    let versions = host.place().path().join("versions");
    let staged = versions.read_dir().map(|versions| versions.count()).unwrap_or(0);
    assert_eq!(staged, 0);
    assert_eq!(host.place().state().unwrap(), Default::default());
}

#[tokio::test]
async fn a_download_that_breaks_goes_on_where_it_broke() {
    let signer = Signer::new();
    let files = signer.files("9.0.0", &program());
    let served = files.clone();
    let server = Server::plain(move |head| {
        of_daemon(&served, head, || {
            // A third of it at a time, whatever was promised.
            let (whole, start) = (&served.program, from(head).unwrap_or(0));
            let part = &whole[start..(start + whole.len() / 3 + 1).min(whole.len())];
            let range =
                format!("content-range: bytes {start}-{}/{}\r\n", whole.len() - 1, whole.len());
            let status = if start == 0 { "200 OK" } else { "206 Partial Content" };
            answer(status, &range, whole.len() - start, part)
        })
    })
    .await;
    let host = Host::new(server.url.clone(), ClientTrust::system(), signer.keys());
    let (done, said) = host.order(None).await;
    assert_eq!(done, None);
    let starts: Vec<_> =
        server.asked().iter().filter(|head| head.contains("/download?")).map(|h| from(h)).collect();
    let third = files.program.len() / 3 + 1;
    assert_eq!(starts, [None, Some(third), Some(2 * third)]);
    let phases: Vec<_> = said.iter().filter_map(|said| said.phase.clone()).collect();
    for phase in ["fetching", "checking", "trying", "restarting"] {
        assert!(phases.contains(&phase.into()), "{phases:?}");
    }
    let percent: Vec<_> = said.iter().filter_map(|said| said.percent).collect();
    assert!(percent.is_sorted() && percent.last() == Some(&100), "{percent:?}");
    let staged = host.place().path().join("versions/9.0.0/program");
    assert_eq!(std::fs::read(staged).unwrap(), files.program);
}

#[tokio::test]
async fn a_server_that_knows_no_ranges_sends_all_of_it_again() {
    let signer = Signer::new();
    let files = signer.files("9.0.0", &program());
    let (served, times) = (files.clone(), Arc::new(AtomicUsize::new(0)));
    let server = Server::plain(move |head| {
        of_daemon(&served, head, || {
            let whole = &served.program;
            let first = times.fetch_add(1, Ordering::Relaxed) == 0;
            answer("200 OK", "", whole.len(), if first { &whole[..1000] } else { whole })
        })
    })
    .await;
    let host = Host::new(server.url.clone(), ClientTrust::system(), signer.keys());
    assert_eq!(host.order(None).await.0, None);
}

#[tokio::test]
async fn what_came_of_another_program_is_not_gone_on_with() {
    let signer = Signer::new();
    let files = signer.files("9.0.0", &program());
    let served = files.clone();
    let server = Server::plain(move |head| {
        of_daemon(&served, head, || {
            assert_eq!(from(head), None);
            ok(&served.program)
        })
    })
    .await;
    let host = Host::new(server.url.clone(), ClientTrust::system(), signer.keys());
    host.place().prepare().unwrap();
    let other = host.place().path().join("incoming").join("0".repeat(64));
    std::fs::write(&other, b"half of something else").unwrap();
    assert_eq!(host.order(None).await.0, None);
    assert!(!other.exists());
}

#[tokio::test]
async fn what_goes_on_with_other_bytes_is_refused_and_forgotten() {
    let signer = Signer::new();
    let files = signer.files("9.0.0", &program());
    let served = files.clone();
    let server = Server::plain(move |head| {
        of_daemon(&served, head, || {
            let (whole, start) = (&served.program, from(head).unwrap_or(0));
            if start == 0 {
                return answer("200 OK", "", whole.len(), &whole[..1000]);
            }
            let range =
                format!("content-range: bytes {start}-{}/{}\r\n", whole.len() - 1, whole.len());
            let evil = vec![0x90; whole.len() - start];
            answer("206 Partial Content", &range, evil.len(), &evil)
        })
    })
    .await;
    let host = Host::new(server.url.clone(), ClientTrust::system(), signer.keys());
    assert!(host.refused(None).await.contains("not the ones that were signed"));
    nothing_was_staged(&host);
    assert_eq!(host.place().path().join("incoming").read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn no_more_is_taken_than_was_promised() {
    let signer = Signer::new();
    let files = signer.files("9.0.0", &program());
    for endless in ["download", "manifest", "signature"] {
        let served = files.clone();
        let server = Server::plain(move |head| {
            if head.contains(endless) {
                return ok(&vec![b' '; 4 << 20]);
            }
            of_daemon(&served, head, || ok(&served.program))
        })
        .await;
        let host = Host::new(server.url.clone(), ClientTrust::system(), signer.keys());
        let why = host.refused(None).await;
        assert!(why.contains("too long") || why.contains("the program is refused"), "{why}");
        nothing_was_staged(&host);
    }
}

#[tokio::test]
async fn nobody_is_led_elsewhere() {
    let signer = Signer::new();
    let elsewhere = Server::plain(|_| ok(b"")).await;
    let location = format!("location: {}/api/v1/agent/manifest\r\n", elsewhere.url);
    let server = Server::plain(move |_| answer("302 Found", &location, 0, b"")).await;
    let host = Host::new(server.url.clone(), ClientTrust::system(), signer.keys());
    assert!(host.refused(None).await.contains("answered 302"));
    assert!(elsewhere.asked().is_empty());
    nothing_was_staged(&host);
}

#[tokio::test]
async fn an_address_of_one_s_own_is_https_and_brings_all_three_files() {
    let signer = Signer::new();
    let files = signer.files("9.0.0", &program());
    let served = files.clone();
    let (server, ca) = Server::tls(move |head| match head.split(' ').nth(1) {
        Some("/releases/agent") => ok(&served.program),
        Some("/releases/agent.json") => ok(&served.manifest),
        Some("/releases/agent.json.minisig") => ok(served.signature.as_bytes()),
        _ => answer("404 Not Found", "", 0, b""),
    })
    .await;
    let trust = ClientTrust::only(ca.as_bytes()).unwrap();
    let host = Host::new(server.url.clone(), trust.clone(), signer.keys());
    let url = format!("{}/releases/agent", server.url);
    assert_eq!(host.order(Some(url.clone())).await.0, None);

    let host = Host::new(server.url.clone(), trust, signer.keys());
    for (wrong, why) in [
        (url.replace("https", "http"), "https:// only"),
        (url.replace("https://", ""), "https:// only"),
        (format!("{url}?x=1"), "no user, password, query"),
        (format!("{url}s"), "no signed release"),
    ] {
        let refused = host.refused(Some(wrong)).await;
        assert!(refused.contains(why), "{refused}");
    }
    // A server that isn't the daemon is believed only if the whole world believes it.
    let (daemon, other_ca) = Server::tls(|_| ok(b"")).await;
    let trust = ClientTrust::only(other_ca.as_bytes()).unwrap();
    let host = Host::new(daemon.url.clone(), trust, signer.keys());
    assert!(host.refused(Some(url)).await.contains("isn't signed by"));
    nothing_was_staged(&host);
}

#[tokio::test]
async fn an_order_that_is_called_off_leaves_nothing_behind_but_what_came() {
    let signer = Signer::new();
    let files = signer.files("9.0.0", &program());
    let served = files.clone();
    let server = Server::plain(move |head| {
        of_daemon(&served, head, || answer("503 Service Unavailable", "", 0, b""))
    })
    .await;
    let host = Host::new(server.url.clone(), ClientTrust::system(), signer.keys());
    let order = host.order(None);
    tokio::pin!(order);
    let asked = async {
        while !server.asked().iter().any(|head| head.contains("/download?")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = &mut order => panic!("there is nothing to be had"),
        () = asked => host.updates.restart().cancel(),
    }
    let done = order.await.0.unwrap();
    assert_eq!(done.status, gangplank_proto::job::Outcome::Cancelled);
    nothing_was_staged(&host);
}

#[tokio::test]
async fn a_signature_in_the_old_form_is_none() {
    let signer = Signer::new();
    let mut files = signer.files("9.0.0", &program());
    // The two letters that say whether the bytes were hashed before they were signed.
    let mut lines: Vec<String> = files.signature.lines().map(str::to_owned).collect();
    assert!(lines[1].starts_with("RU"), "{}", lines[1]);
    lines[1].replace_range(..2, "RW");
    files.signature = lines.join("\n");
    let served = files.clone();
    let server = Server::plain(move |head| of_daemon(&served, head, || ok(&served.program))).await;
    let host = Host::new(server.url.clone(), ClientTrust::system(), signer.keys());
    assert!(host.refused(None).await.contains("isn't signed"));
    assert!(Target::all().contains(&gangplank_agent::update::target().unwrap()));
}
