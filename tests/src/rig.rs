//! What every attack needs: a daemon under attack, addresses to attack from, and a control group (one
//! terminal that echoes, one agent, one subscriber) that must notice nothing.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{sync::OnceCell, task::JoinHandle};

use crate::{
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    eventually,
    http::Client,
    page::Page,
    ws::{Incoming, Socket},
};

/// How long the daemon has to come back to what it held before.
const SOON: Duration = Duration::from_secs(30);

/// Files that may stay open beside those of before: connections of the store and of the control group.
const FILES: usize = 24;

/// The daemon that is attacked, and those who use it meanwhile.
#[derive(Debug)]
pub struct Rig {
    daemon: Daemon,
    agent: OnceCell<Agent>,
}

/// Those who use the daemon during one attack.
#[derive(Debug)]
pub struct Control {
    admin: Client,
    subscriber: Socket,
    since: String,
    stop: Arc<AtomicBool>,
    echoes: JoinHandle<u32>,
    pid: i32,
    files: usize,
}

impl Rig {
    /// Starts a daemon with settings.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        Self { daemon: Daemon::with(settings), agent: OnceCell::new() }
    }

    /// The daemon.
    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// The id of the host whose agent is in the control group.
    pub async fn host(&self) -> &str {
        let enrol = async || {
            let admin = self.daemon.admin().await;
            Agent::enrol(&self.daemon, &admin, &Policy::everything("localhost:22")).await
        };
        self.agent.get_or_init(enrol).await.host()
    }

    /// A client at another loopback address.
    pub fn attacker(&self, last: u8) -> Client {
        self.daemon.client().from_address(last)
    }

    /// Starts the control group.
    pub async fn control(&self) -> Control {
        let admin = self.daemon.admin().await;
        let host = self.host().await.to_owned();
        let subscriber = admin.upgrade("/api/v1/ws/events?topics=hosts").open().await;
        let mut page = Page::open(&admin, &host).await;
        page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
        page.proves_a_shell().await;
        let since = admin.status(&host).await["since"].as_str().unwrap_or_default().to_owned();
        let stop = Arc::new(AtomicBool::new(false));
        let (files, pid) = (files(self.daemon.pid()), self.daemon.pid());
        let echoes = tokio::spawn(echo(page, Arc::clone(&stop)));
        Control {
            admin,
            subscriber: subscriber.expect("a subscription"),
            since,
            stop,
            echoes,
            pid,
            files,
        }
    }

    /// Checks that the control group noticed nothing and that the daemon is as it was before.
    ///
    /// # Panics
    /// When it isn't.
    pub async fn holds(&self, control: Control) {
        let Control { admin, mut subscriber, since, stop, echoes, pid, files: before } = control;
        self.daemon.client().get("/healthz").await.expect(200);
        stop.store(true, Ordering::Relaxed);
        let echoed = echoes.await.expect("the terminal echoed throughout");
        assert!(echoed > 0, "the terminal never echoed");
        let name = format!("after-{}", echoed);
        let made = admin.add_host(&name, None).await;
        let id = made["id"].as_str().expect("an id");
        loop {
            match subscriber.next().await {
                Incoming::Text(text) if text.contains(&name) => break,
                Incoming::Text(_) => {}
                other => panic!("the subscriber lost its socket: {other:?}"),
            }
        }
        admin.delete(&format!("/api/v1/hosts/{id}")).await.expect(204);
        let status = admin.status(self.host().await).await;
        assert_eq!(status["state"], "online", "{status}");
        assert_eq!(status["since"], since.as_str(), "the agent came anew");
        drop(subscriber);
        assert!(self.daemon.runs() && self.daemon.pid() == pid, "another process");
        eventually::until(SOON, "the open files to be as few as before", || async {
            (files(pid) <= before + FILES).then_some(())
        })
        .await;
        let log = self.daemon.log();
        assert!(!log.contains("panicked"), "{log}");
        assert!(!log.contains("CANARY-"), "a secret is in the log");
        assert!(!log.contains('\u{1b}'), "a control character is in the log");
    }
}

/// Types and waits for the echo, again and again.
async fn echo(mut page: Page, stop: Arc<AtomicBool>) -> u32 {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) || number == 0 {
        number += 1;
        page.keys(&format!("echo con''trol-{number}.\r")).await;
        page.shows(&format!("control-{number}.")).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    number
}

fn files(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}
