//! `update --check`: is there a newer, signed version, and would this host take it?

use serde_json::json;

use super::{ConfigArgument, Failure, block_on, print, print_json};
use crate::config::{Config, Environment};
use crate::dial::Dialer;
use crate::update::{self, Place, built_as};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Look, and change nothing. An update itself is ordered from the server (update_agent), so that it
    /// is known there how it went.
    #[arg(long, required = true)]
    check: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn update(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let path = &arguments.config.config;
    let config = Config::load(path, environment)?;
    let dialer = Dialer::new(&config.server).map_err(Failure::new)?;
    let state = Place::beside(path).state().map_err(Failure::new)?;
    // What the service runs may be newer than the program that was typed.
    let running = state.current.unwrap_or_default().max(built_as());
    let found = block_on(update::look(path, dialer, &config.local.keys, running))?;
    let (release, admitted) = found.map_err(Failure::Other)?;
    let offered = release.manifest().version;
    let allowed = config.local.policy.update;
    if arguments.json {
        print_json(&json!({
            "running": running,
            "offered": offered,
            "newer": offered > running,
            "expires": release.manifest().expires.unix_timestamp(),
            "refused": admitted.as_ref().err().map(ToString::to_string),
            "allowed": allowed,
        }))?;
        return admitted.map_err(Failure::new);
    }
    admitted.map_err(Failure::new)?;
    let mut said = if offered > running {
        format!("{offered} is there and signed; {running} runs here.\n")
    } else {
        format!("{running} runs here, and the server has nothing newer.\n")
    };
    if !allowed {
        said.push_str(
            "Updates are off on this host: policy.update = true in its file allows them.\n",
        );
    }
    print(&said)
}
