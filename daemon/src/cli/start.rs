//! Starting the daemon.

use std::path::Path;

use gangplank_proto::secret::Secret;
use serde::Serialize;

use super::output::{Failure, say, say_json};
use super::{Serve, Up};
use crate::config::{Config, RunMode, Sources};
use crate::daemon::{self, ADMIN, Ready, RunError};
use crate::listener::Inherited;
use crate::logging;

pub(super) fn up(up: Up) -> Result<(), Failure> {
    let mut sources = Sources::of_process(None);
    if let Some(directory) = up.data_dir {
        sources.flags.push(("data_dir", "--data-dir", directory.display().to_string()));
    }
    if let Some(address) = up.listen {
        sources.flags.push(("listen.tls", "--listen", address.to_string()));
    }
    let json = up.json;
    run(&sources, RunMode::Up, move |ready| announce(&ready, json))
}

pub(super) fn serve(serve: Serve) -> Result<(), Failure> {
    let sources = Sources::of_process(Some(serve.config));
    run(&sources, RunMode::Serve, |_| Ok(()))
}

fn run(
    sources: &Sources,
    mode: RunMode,
    announce: impl FnOnce(Ready) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let config = Config::load(sources, mode)?;
    let log = logging::start(config.log).map_err(Failure::new)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        connections = config.limits.connections,
        terminals = config.limits.terminals,
        memory = %config.budget,
        "starting"
    );
    let inherited = Inherited::from_env().map_err(Failure::new)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::new)?;
    let ended = runtime.block_on(daemon::run(
        config,
        mode,
        inherited,
        || Config::load(sources, mode),
        |config| log.set_level(config.log.level),
        |ready| {
            if let Err(failure) = announce(ready) {
                tracing::warn!(error = failure.message, "nobody reads what was printed");
            }
        },
    ));
    // What still runs has been told to stop and had its time.
    runtime.shutdown_background();
    ended.map_err(failure)
}

fn failure(error: RunError) -> Failure {
    let code = match &error {
        RunError::Names(_) | RunError::Certificate(_) | RunError::NoListener => 78,
        _ => 1,
    };
    let message = match error {
        RunError::Certificate(cause) => format!("tls.cert, tls.key: {cause}"),
        error => error.to_string(),
    };
    Failure { message, code }
}

fn announce(ready: &Ready, json: bool) -> Result<(), Failure> {
    if json {
        return say_json(&ReadyLine {
            event: "ready",
            url: &ready.url,
            ca: ready.ca.as_deref(),
            username: ADMIN,
            password: ready.password.as_ref(),
        });
    }
    say(greeting(ready))
}

/// What a program reads once everything works.
#[derive(Serialize)]
struct ReadyLine<'a> {
    event: &'static str,
    url: &'a str,
    ca: Option<&'a Path>,
    username: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a Secret>,
}

/// What a person sees once everything works.
fn greeting(ready: &Ready) -> String {
    let mut lines = vec![
        ("Gangplank is ready", String::new()),
        ("", String::new()),
        ("URL", ready.url.clone()),
        ("User", ADMIN.to_owned()),
    ];
    lines.push(match &ready.password {
        Some(password) => ("Password", format!("{}  (shown only now)", password.expose())),
        None => ("Password", "as before; another: gangplankd user passwd admin".to_owned()),
    });
    if let Some(ca) = &ready.ca {
        lines.push(("", String::new()));
        lines.push(("CA", format!("{}  (your browser must trust it)", ca.display())));
    }
    if let Some(fingerprint) = &ready.fingerprint {
        lines.push(("Fingerprint", fingerprint.clone()));
    }
    boxed(&lines)
}

fn boxed(lines: &[(&str, String)]) -> String {
    let labels = lines.iter().filter(|(_, value)| !value.is_empty());
    let left = labels.map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let texts: Vec<String> = lines
        .iter()
        .map(|(label, value)| match value.as_str() {
            "" => (*label).to_owned(),
            value => format!("{label:<left$}  {value}"),
        })
        .collect();
    let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let rule = "─".repeat(width + 2);
    let body = texts.iter().map(|text| format!("│ {text:<width$} │\n")).collect::<String>();
    format!("┌{rule}┐\n{body}└{rule}┘")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_is_a_whole_box() {
        let ready = Ready {
            url: "https://127.0.0.1:8443/".to_owned(),
            ca: Some("/data/ca.pem".into()),
            fingerprint: Some("SHA256:AA".to_owned()),
            password: Some(Secret::new("abcde-fghij".to_owned())),
        };
        let text = greeting(&ready);
        let widths: Vec<_> = text.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| Some(width) == widths.first()), "{text}");
        assert!(text.contains("abcde-fghij") && text.contains("https://127.0.0.1:8443/"));
        assert!(!greeting(&Ready { password: None, ..ready }).contains("shown only now"));
    }
}
