//! Terminals that come and go leave nothing behind: no descriptor, thread, memory or entry of the
//! daemon's and the agent's.

use std::{env, fs, time::Duration};

use gangplank_tests::{eventually, fleet::Fleet, http::Client, page::Page};
use serde_json::Value;

/// Memory that a process may take on in all cycles together, in KiB: what its allocator and its
/// database keep for themselves. One terminal's leak shows a hundred times over.
const GROWTH: u64 = 24 << 10;

/// How often terminals are opened and closed, each way.
fn cycles() -> usize {
    env::var("GANGPLANK_SOAK_CYCLES").map_or(20, |cycles| cycles.parse().expect("a number"))
}

/// What a process has.
#[derive(Debug)]
struct Holding {
    descriptors: usize,
    threads: u64,
    memory: u64,
}

impl Holding {
    fn of(pid: i32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a live process");
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a number");
            line.split_whitespace().next().expect("a number").parse().expect("a number")
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors");
        Self {
            descriptors: descriptors.count(),
            threads: number("Threads:"),
            memory: number("VmRSS:"),
        }
    }
}

/// Opens a terminal, sees that it works, and ends it: by its shell, by the page, or by leaving it
/// to be ended elsewhere.
async fn cycle(admin: &Client, host: &str, connect: Value, turn: usize) {
    let mut page = Page::open(admin, host).await;
    let connected = page.connected(connect).await;
    page.proves_a_shell().await;
    match turn % 3 {
        0 => page.keys("exit 0\r").await,
        1 => page.socket().json(&serde_json::json!({ "type": "disconnect" })).await,
        _ => {
            drop(page);
            let id = connected["session_id"].as_str().expect("a session");
            admin.delete(&format!("/api/v1/sessions/{id}")).await.expect(204);
            return;
        }
    }
    page.event("closed").await;
    assert_eq!(page.ended(Duration::from_secs(5)).await.code, 4010);
}

#[tokio::test]
async fn terminals_that_come_and_go_leave_nothing_behind() {
    let fleet = Fleet::start().await;
    let admin = fleet.admin().await;
    let mut page = Page::open(&admin, fleet.host()).await;
    page.accepted(fleet.direct()).await;
    page.keys("exit\r").await;
    page.ended(Duration::from_secs(5)).await;
    let ways = [fleet.direct(), fleet.pty()];
    let count = cycles();
    let pids = [("daemon", fleet.daemon.pid()), ("agent", fleet.agent.pid().as_raw())];
    // What is made once and kept is made in the first of them.
    for turn in 0..count.min(100) {
        cycle(&admin, fleet.host(), ways[turn % 2].clone(), turn).await;
    }
    none_left(&admin).await;
    let before = pids.map(|(_, pid)| Holding::of(pid));
    for turn in 0..count {
        for way in &ways {
            cycle(&admin, fleet.host(), way.clone(), turn).await;
        }
    }
    none_left(&admin).await;
    for ((name, pid), before) in pids.into_iter().zip(before) {
        let settled = || {
            let now = Holding::of(pid);
            let settled =
                now.descriptors <= before.descriptors && now.threads <= before.threads + 1;
            settled.then_some(now)
        };
        let after = eventually::eventually(&format!("what {name} had before: {before:?}"), settled);
        println!("{name}, {count} cycles each way: {before:?}, then {after:?}");
        assert!(after.memory <= before.memory + GROWTH, "{name}: {before:?}, then {after:?}");
    }
}

/// Waits until no terminal is left.
async fn none_left(admin: &Client) {
    eventually::until(eventually::patience(), "all terminals to end", || async {
        let list = admin.get("/api/v1/sessions?mine=true&state=live").await.expect(200).json();
        list["items"].as_array().expect("a list").is_empty().then_some(())
    })
    .await;
}
