//! `ping`: does the connection work, and if not, what is wrong.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{ConfigArgument, Failure, block_on, print, print_json};
use crate::config::file::Lock;
use crate::config::{Config, Environment};
use crate::dial::Dialer;
use crate::link::connect;

/// For the closing handshake.
const GOODBYE: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn ping(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let path = &arguments.config.config;
    let config = Config::load(path, environment)?;
    let dialer = Dialer::new(&config.server).map_err(Failure::new)?;
    let running = Lock::holder_says(path);
    let began = Instant::now();
    let mut took = Duration::ZERO;
    // A second link would take the place of the running agent's, so then only the way is tried.
    let tried = block_on(async {
        match &running {
            Some(_) => {
                let dialled = dialer.dial().await.map_err(|error| error.to_string());
                took = began.elapsed();
                dialled.map(|_| ())
            }
            None => match connect(&dialer, &config.credentials).await {
                Err(error) => Err(error.to_string()),
                Ok(mut socket) => {
                    took = began.elapsed();
                    // It was a try: how it ends says nothing more.
                    let _ = tokio::time::timeout(GOODBYE, socket.close(None)).await;
                    Ok(())
                }
            },
        }
    })?;
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if arguments.json {
        print_json(&json!({
            "ok": tried.is_ok(),
            "server": dialer.url().to_string(),
            "secure": dialer.secure(),
            "took_ms": took_ms,
            "credentials_tried": running.is_none(),
            "agent": running,
            "error": tried.as_ref().err(),
        }))?;
        return tried.map_err(Failure::Other);
    }
    tried.map_err(Failure::Other)?;
    let url = dialer.url();
    print(&match running {
        None => format!("ok: {url} took this host's credentials, {took_ms} ms\n"),
        Some(state) => format!(
            "ok: {url} answers, {took_ms} ms; the agent runs and is {state}, so the credentials \
             were not tried again\n"
        ),
    })
}
