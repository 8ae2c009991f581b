//! `uninstall`: everything that enrolment and the installation left on this host, gone.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ConfigArgument, Failure, complain, print};
use crate::config::DEFAULT_PATH;
use crate::config::file::{Lock, beside};
use crate::helper;
use crate::update::Place;

const UNIT: &str = "gangplank-agent.service";

/// What an older installation may lack.
const HELPER_UNITS: [&str; 2] = ["gangplank-agent-helper.socket", "gangplank-agent-helper.service"];

/// Where an installation puts what belongs to the service.
const UNIT_FILES: [&str; 7] = [
    "/etc/systemd/system/gangplank-agent.service",
    "/etc/systemd/system/gangplank-agent.service.d/pty.conf",
    "/etc/systemd/system/gangplank-agent-helper.socket",
    "/etc/systemd/system/gangplank-agent-helper.service",
    "/etc/sysusers.d/gangplank-agent.conf",
    "/etc/tmpfiles.d/gangplank-agent.conf",
    // Nobody is left whom it could allow something.
    helper::POLICY,
];

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
}

pub(super) fn uninstall(arguments: &Arguments) -> Result<(), Failure> {
    let config = &arguments.config.config;
    // A configuration of its own has no service of ours.
    let service = config == Path::new(DEFAULT_PATH);
    let mut doomed: Vec<PathBuf> = vec![
        config.clone(),
        beside(config, "ca.pem"),
        beside(config, "lock"),
        beside(config, "jobs"),
        beside(config, "telemetry"),
    ];
    if service {
        doomed.extend(UNIT_FILES.map(PathBuf::from));
    }
    let place = Place::beside(config);
    doomed.retain(|path| path.exists());
    if doomed.is_empty() {
        return print("Nothing to remove.\n");
    }
    if !arguments.yes && !confirmed(&doomed)? {
        return Err(Failure::Other("nothing was removed".to_owned()));
    }
    if service {
        stop_service();
    }
    if Lock::holder_says(config).is_some() {
        let shown = config.display();
        return Err(Failure::Other(format!("an agent still runs from {shown}: stop it first")));
    }
    let mut failed = false;
    for path in &doomed {
        let removed =
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        match removed {
            Ok(()) => print(&format!("Removed {}\n", path.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                complain(&format!("{}: {error}", path.display()));
                failed = true;
            }
        }
    }
    match place.clear() {
        Ok(true) => print(&format!("Removed what updates left in {}\n", place.path().display()))?,
        Ok(false) => {}
        Err(error) => {
            complain(&format!("{}: {error}", place.path().display()));
            failed = true;
        }
    }
    if place.exists() {
        print(&format!(
            "Kept {}: it keeps this host from going back to an older version.\n",
            place.path().join("floor").display()
        ))?;
    }
    if service {
        systemctl(&["daemon-reload"]);
    }
    if failed {
        return Err(Failure::Other("not everything could be removed: run as root".to_owned()));
    }
    print("The host is still listed at its server: remove it there.\n")
}

fn confirmed(doomed: &[PathBuf]) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Other("this removes files: add --yes".to_owned()));
    }
    let mut question = "This stops the agent and removes:\n".to_owned();
    for path in doomed {
        question.push_str(&format!("  {}\n", path.display()));
    }
    let mut out = io::stderr();
    write!(out, "{question}Go on? [y/N] ").map_err(Failure::new)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(Failure::new)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn stop_service() {
    systemctl(&["disable", "--now", UNIT]);
    for unit in HELPER_UNITS {
        if Path::new("/etc/systemd/system").join(unit).exists() {
            systemctl(&["disable", "--now", unit]);
        }
    }
}

/// Tells systemd, where it runs (sd_booted(3)).
fn systemctl(words: &[&str]) {
    if !sd_notify::booted().unwrap_or(false) {
        return;
    }
    match Command::new("systemctl").args(words).output() {
        Ok(done) if !done.status.success() => {
            let said = String::from_utf8_lossy(&done.stderr);
            complain(&format!("systemctl {}: {}", words.join(" "), said.trim()));
        }
        Ok(_) => {}
        Err(error) => complain(&format!("systemctl: {error}")),
    }
}
