//! `enroll`: from a one-time token to a configuration.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use gangplank_certs::ClientTrust;
use gangplank_proto::server_url::ServerUrl;

use super::{Failure, block_on, print};
use crate::config::file::{self, Lock};
use crate::config::{
    Config, ConfigError, Credentials, DEFAULT_PATH, Environment, Local, Problem, Server, ServerKind,
};
use crate::dial::Dialer;
use crate::enroll::{allow_updates, register, token, write_config};
use crate::facts;
use crate::update::Keys;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The address of the daemon, with https and, where it has one, its port.
    #[arg(long, value_name = "URL")]
    server: String,
    /// File with the token; - reads it from standard input. It is never an argument, because
    /// every user of this host can see those.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// File with the daemon's own CA: trust this one and nothing else.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,
    /// Public key of releases (the line that begins with RW): the agent may then be updated from the
    /// server to what that key signed, and to nothing else.
    #[arg(long, value_name = "KEY")]
    update_key: Vec<String>,
    /// The configuration to write; what else it holds stays.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
    /// For a lab: believe any certificate, or do without TLS. Refused with
    /// GANGPLANK_ENV=production.
    #[arg(long)]
    insecure: bool,
}

pub(super) fn enroll(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let config = &arguments.config;
    if arguments.insecure && environment.production() {
        let problem = Problem::new(
            "--insecure",
            "is forbidden by GANGPLANK_ENV=production",
            "leave it out and give the daemon's CA with --ca FILE",
        );
        return Err(ConfigError { problems: vec![problem] }.into());
    }
    let url = ServerUrl::parse(&arguments.server).map_err(Failure::new)?;
    let keys = &arguments.update_key;
    Keys::parse(keys).map_err(|error| Failure::Other(format!("--update-key: {error}")))?;
    let ca = arguments.ca.as_deref().map(read).transpose()?;
    let trust = match &ca {
        Some(pem) => ClientTrust::only(pem.as_bytes()).map_err(Failure::new)?,
        None if arguments.insecure => ClientTrust::dangerous_skip_verify(),
        None => ClientTrust::system(),
    };
    let (local, proxies) = Local::load_with_proxies(config, environment)?;
    let kind = ServerKind::Gangplank;
    let server = Server { url: url.clone(), kind, trust, ca: arguments.ca.clone(), proxies };
    let dialer = Dialer::new(&server).map_err(Failure::new)?;
    let mut introduction = facts::introduction(&local, &facts::own_account());
    introduction.machine_id = facts::installation(config);
    let before = known_as(config, environment, &url);
    file::check_writable(config).map_err(|error| {
        let place = config.display();
        Failure::Other(format!("{place}: {error}: run as root, or give --config FILE"))
    })?;
    let token = token(&read_token(&arguments.token_file)?).map_err(Failure::new)?;
    let registering = register(&dialer, &token, &introduction, before.as_ref(), arguments.insecure);
    let registered = block_on(registering)?.map_err(Failure::new)?;
    let insecure = arguments.insecure && url.is_tls();
    write_config(config, &url, ca.as_deref(), insecure, &registered).map_err(Failure::new)?;
    if !keys.is_empty() {
        allow_updates(config, keys).map_err(Failure::new)?;
    }
    let mut said = format!(
        "Enrolled at {url} as {} (host {}).\nWrote {}.\n",
        registered.api_id,
        registered.host_id.as_str(),
        config.display()
    );
    if registered.pending {
        said.push_str("It waits until somebody accepts it in the console.\n");
    }
    if Lock::holder_says(config).is_some() {
        said.push_str("An agent runs with the credentials from before: restart it.\n");
    }
    print(&said)
}

/// What this host was at the same server before.
fn known_as(config: &Path, environment: &Environment, url: &ServerUrl) -> Option<Credentials> {
    let before = Config::load(config, environment).ok()?;
    (before.server.url.to_string() == url.to_string()).then_some(before.credentials)
}

fn read(path: &Path) -> Result<String, Failure> {
    file::read(path).map_err(|error| Failure::Other(format!("{}: {error}", path.display())))
}

fn read_token(path: &Path) -> Result<String, Failure> {
    if path != Path::new("-") {
        return read(path);
    }
    let mut text = String::new();
    // More than any token has would be refused anyway.
    let read = io::stdin().take(4096).read_to_string(&mut text);
    read.map(|_| text).map_err(|error| Failure::Other(format!("standard input: {error}")))
}
