//! `scan`: a compliance scan of this host, for whoever is on it.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use gangplank_proto::scan::{Report, RuleOutcome, Scanner};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{ConfigArgument, Failure, block_on, print, print_json};
use crate::config::{Environment, Local};
use crate::scan::{self, Finding, Progress, Request, Setup, Stopped};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Which scanner: openscap or lynis.
    #[arg(long, default_value = "openscap")]
    scanner: Scanner,
    /// A profile, by its full id or its short name; with lynis a group of tests.
    #[arg(long)]
    profile: Option<String>,
    /// A SCAP data stream that policy.scan_content lists; else it is chosen by the system.
    #[arg(long, value_name = "FILE")]
    content: Option<PathBuf>,
    /// Where to write OpenSCAP's own page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn scan(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    if arguments.html.is_some() && arguments.scanner != Scanner::Openscap {
        return Err(Failure::new("only openscap writes a page"));
    }
    let local = Local::load(&arguments.config.config, environment)?;
    let request = Request {
        scanner: arguments.scanner,
        profile: arguments.profile.clone(),
        content: arguments.content.clone(),
        page: arguments.html.clone(),
    };
    let finding = block_on(run(&request, &local))?.map_err(Failure::new)?;
    let report = &finding.report;
    if arguments.json {
        print_json(report)?
    } else {
        print(&text(report))?
    }
    match finding.stopped {
        None => Ok(()),
        Some(Stopped::Cancelled) => Err(Failure::new("stopped before the end")),
        Some(Stopped::TooLong) => Err(Failure::new("ended because it took too long")),
    }
}

async fn run(request: &Request, local: &Local) -> Result<Finding, String> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let (setup, cancel) = (Setup::of_host(), CancellationToken::new());
    let shown = std::io::stderr().is_terminal();
    let scanning = scan::scan(request, &local.policy, &setup, &cancel, |progress| {
        if shown {
            show(&progress);
        }
    });
    tokio::pin!(scanning);
    let finding = loop {
        tokio::select! {
            finding = &mut scanning => break finding,
            _ = interrupt.recv() => cancel.cancel(),
            _ = terminate.recv() => cancel.cancel(),
        }
    };
    if shown {
        clear();
    }
    finding.map_err(|error| error.to_string())
}

/// Shows how far it is, in the line that the cursor is in.
fn show(progress: &Progress) {
    clear();
    let total = progress.total.map(|total| format!("/{total}")).unwrap_or_default();
    let what: String = progress.what.chars().filter(|c| !c.is_control()).take(60).collect();
    let mut out = std::io::stderr();
    // Nobody misses it.
    let _ = write!(out, "{}{total} {what}", progress.done).and_then(|()| out.flush());
}

fn clear() {
    let _ = write!(std::io::stderr(), "\r\u{1b}[K");
}

/// What failed, and how it comes out in all.
fn text(report: &Report) -> String {
    let scan = &report.scan;
    let mut text = String::new();
    let wrong = [RuleOutcome::Fail, RuleOutcome::Error, RuleOutcome::Unknown];
    for rule in report.rules.iter().filter(|rule| wrong.contains(&rule.result)) {
        let (result, severity) = (rule.result, rule.severity.as_str());
        text.push_str(&format!("{result:<8}{severity:<8}{}\n", rule.title.as_str()));
        for line in rule.fix.as_str().lines() {
            text.push_str(&format!("{:16}{line}\n", ""));
        }
    }
    let by = if scan.content.is_empty() { "" } else { " by " };
    text.push_str(&format!("{}{by}{}\n", scan.profile.as_str(), scan.content.as_str()));
    let counts = &scan.counts;
    text.push_str(&format!(
        "{} passed, {} failed, {} broken, {} not applicable",
        counts.pass + counts.fixed,
        counts.fail,
        counts.error + counts.unknown,
        counts.notapplicable
    ));
    match scan.score {
        Some(score) => text.push_str(&format!("; score {score:.0} %\n")),
        None => text.push_str("; nothing was judged\n"),
    }
    text
}
