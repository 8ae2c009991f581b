//! What a PatchMon server has done here that ends in a post: reports, containers, integrations,
//! scans. Each kind runs once at a time; an order for what runs already is that one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::scan::Scanner;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::body;
use super::http::{Server, ServerError};
use crate::config::Local;
use crate::facts::{self, Introduction};
use crate::scan::{self, Available, Progress, Request, Setup};
use crate::{docker, report};

/// Words about progress that wait for the link; further ones are left out, as PatchMon's agent does.
const WORDS: usize = 10;

/// From a link's beginning to what it tells unasked.
const SOON: Duration = Duration::from_secs(2);

/// What a profile is called that nobody named.
const DEFAULT: &str = "default";

/// An errand's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Report,
    Docker,
    Integrations,
    Scan,
}

/// The errands of this host.
#[derive(Debug)]
pub(super) struct Errands {
    server: Server,
    local: watch::Receiver<Arc<Local>>,
    running: HashMap<Kind, JoinHandle<()>>,
    scan: CancellationToken,
    words: mpsc::Sender<Value>,
    said: mpsc::Receiver<Value>,
    /// Between two reports; none when they are only made when asked for.
    interval: Option<Duration>,
    next: Option<Instant>,
}

impl Errands {
    pub(super) fn new(server: Server, local: watch::Receiver<Arc<Local>>) -> Self {
        let (words, said) = mpsc::channel(WORDS);
        Self {
            server,
            local,
            running: HashMap::new(),
            scan: CancellationToken::new(),
            words,
            said,
            interval: None,
            next: None,
        }
    }

    /// A link begins, and the server wants a report every so many minutes.
    pub(super) fn begin(&mut self, minutes: u32) {
        self.every(minutes);
        self.next = Some(Instant::now() + SOON);
    }

    /// The server wants a report every so many minutes.
    pub(super) fn every(&mut self, minutes: u32) {
        self.interval = (minutes > 0).then(|| Duration::from_secs(60 * u64::from(minutes)));
        self.next = self.interval.map(|interval| Instant::now() + interval);
    }

    /// The next word for the server about what runs; does what is due meanwhile. Cancel safe.
    pub(super) async fn next(&mut self) -> Value {
        loop {
            let due = self.next;
            tokio::select! {
                Some(word) = self.said.recv() => return word,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.next = self.interval.map(|interval| Instant::now() + interval);
                    self.report();
                    self.integrations();
                }
            }
        }
    }

    /// Reports the host in full.
    pub(super) fn report(&mut self) {
        let (server, local) = (self.server.clone(), self.local());
        self.start(Kind::Report, async move {
            let host = introduction(&local);
            let report = report::collect().await;
            done(
                "a report",
                server.post("/api/v1/hosts/update", &body::report(&report, &host)).await,
            );
        });
    }

    /// Reports containers, where the host shows them.
    pub(super) fn docker(&mut self) {
        let (server, local) = (self.server.clone(), self.local());
        self.start(Kind::Docker, async move {
            match docker::collect(&local.policy).await {
                Ok(found) => {
                    let body = body::docker(&found, &introduction(&local));
                    done("containers", server.post("/api/v1/integrations/docker", &body).await);
                }
                Err(error) => tracing::info!(%error, "containers were asked for"),
            }
        });
    }

    /// Says which integrations there are.
    pub(super) fn integrations(&mut self) {
        let (server, local) = (self.server.clone(), self.local());
        self.start(Kind::Integrations, async move {
            for body in [compliance_status(&local).await, docker_status(&local)] {
                done("a status", server.post("/api/v1/hosts/integration-status", &body).await);
            }
        });
    }

    /// Scans the host, if it allows that.
    pub(super) fn scan(&mut self, profile: Option<String>) {
        let (server, local, words) = (self.server.clone(), self.local(), self.words.clone());
        if self.runs(Kind::Scan) {
            return tracing::info!("a scan runs already");
        }
        let cancel = CancellationToken::new();
        self.scan = cancel.clone();
        self.start(Kind::Scan, async move {
            let name = profile.clone().unwrap_or_else(|| DEFAULT.to_owned());
            let say = |phase: &str, percent: f64, message: &str| {
                // What finds no room is left out.
                let _ = words.try_send(progress(&name, phase, percent, message));
            };
            say("started", 5.0, "");
            let request =
                Request { scanner: Scanner::Openscap, profile, content: None, page: None };
            let told = |progress: Progress| {
                let share = progress.total.filter(|total| *total > 0);
                let share = share.map_or(0.0, |total| progress.done as f64 / total as f64);
                say("evaluating", 15.0 + 65.0 * share.min(1.0), &progress.what);
            };
            let host = introduction(&local);
            let found = scan::scan(&request, &local.policy, &Setup::of_host(), &cancel, told).await;
            let (phase, body) = match found {
                Ok(found) if found.stopped.is_none() => {
                    ("completed", body::scan(&found.report, true, &host))
                }
                Ok(found) => ("cancelled", body::scan(&found.report, false, &host)),
                Err(error) => ("failed", body::failed_scan(&name, &error.to_string(), &host)),
            };
            say("sending", 90.0, "");
            done("a scan", server.post("/api/v1/compliance/scans", &body).await);
            say(phase, if phase == "completed" { 100.0 } else { 0.0 }, "");
        });
    }

    /// Ends the scan that runs.
    pub(super) fn cancel_scan(&self) {
        self.scan.cancel();
    }

    /// Ends everything, and waits for it.
    pub(super) async fn stop(self) {
        self.scan.cancel();
        for (_, errand) in self.running {
            errand.abort();
            // It was just told to end.
            let _ = errand.await;
        }
    }

    fn local(&self) -> Arc<Local> {
        Arc::clone(&self.local.borrow())
    }

    fn runs(&self, kind: Kind) -> bool {
        self.running.get(&kind).is_some_and(|errand| !errand.is_finished())
    }

    fn start(&mut self, kind: Kind, errand: impl Future<Output = ()> + Send + 'static) {
        if !self.runs(kind) {
            self.running.insert(kind, tokio::spawn(errand));
        }
    }
}

fn introduction(local: &Local) -> Introduction {
    facts::introduction(local, &facts::own_account())
}

fn done(what: &str, told: Result<(), ServerError>) {
    match told {
        Ok(()) => tracing::debug!(what, "the server was told"),
        Err(error) => tracing::warn!(%error, what, "the server could not be told"),
    }
}

fn progress(profile: &str, phase: &str, percent: f64, message: &str) -> Value {
    let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
    json!({
        "type": "compliance_scan_progress", "phase": phase, "profile_name": profile,
        "message": message, "progress": percent.round(), "error": "", "timestamp": now,
    })
}

async fn compliance_status(local: &Local) -> Value {
    let content = local.policy.scan_content.clone();
    let look = move || scan::available(&content, &Setup::of_host());
    let Available { scanners, profiles } =
        tokio::task::spawn_blocking(look).await.unwrap_or_default();
    let openscap = scanners.get("openscap").copied().unwrap_or_default();
    let (status, message) = match (local.policy.scan, openscap) {
        (false, _) => ("disabled", "switched off by the host's own file (policy.scan)"),
        (true, true) => ("ready", ""),
        (true, false) => ("error", "OpenSCAP is not installed"),
    };
    let profiles = profiles.iter().map(|id| json!({ "id": id, "name": id, "type": "openscap" }));
    json!({
        "integration": "compliance", "enabled": local.policy.scan, "status": status,
        "message": message,
        "components": { "openscap": if openscap { "ready" } else { "unavailable" } },
        "scanner_info": {
            "openscap_available": openscap, "available_profiles": profiles.collect::<Vec<_>>(),
        },
    })
}

fn docker_status(local: &Local) -> Value {
    let enabled = local.policy.docker.is_some();
    let message = if enabled { "" } else { "switched off by the host's own file (policy.docker)" };
    let status = if enabled { "ready" } else { "disabled" };
    json!({ "integration": "docker", "enabled": enabled, "status": status, "message": message })
}
