//! `diagnostics`: all that somebody who helps wants to know, and nothing that is secret.

use serde_json::{Value, json};

use super::{ConfigArgument, Failure, block_on, print, print_json};
use crate::config::file::Lock;
use crate::config::{Config, ConfigError, Environment, Local, Server};
use crate::dial::{Dialer, resolve};
use crate::facts;
use crate::update::Place;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn diagnostics(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let path = &arguments.config.config;
    let config = Config::load(path, environment);
    let local = match &config {
        Ok(config) => Some(config.local.clone()),
        Err(_) => Local::load(path, environment).ok(),
    };
    let problems = |error: &ConfigError| -> Vec<String> {
        error.problems.iter().map(ToString::to_string).collect()
    };
    let server = match &config {
        Ok(config) => block_on(server(&config.server))?,
        Err(_) => Value::Null,
    };
    let own = facts::own_account();
    let hello = local.map(|local| facts::hello(&local, &own));
    let fingerprints = hello.as_ref().map(|hello| -> Vec<String> {
        hello.host_keys.iter().map(|key| facts::sshd::fingerprint(key)).collect()
    });
    let shown = json!({
        "version": facts::VERSION,
        "config": {
            "path": path,
            "problems": config.as_ref().err().map(problems).unwrap_or_default(),
            "api_id": config.as_ref().ok().map(|config| config.credentials.api_id.as_str()),
            "production": environment.production(),
        },
        "agent": Lock::holder_says(path),
        "update": updates(&Place::beside(path)),
        "server": server,
        "host": hello.as_ref().map(|hello| &hello.host),
        "policy": hello.as_ref().map(|hello| &hello.policy),
        "ssh_host_keys": fingerprints,
        "ssh_ports": hello.as_ref().map(|hello| &hello.ssh_ports),
    });
    if arguments.json { print_json(&shown) } else { print(&outline(&shown, 0)) }
}

/// What updates left behind.
fn updates(place: &Place) -> Value {
    if !place.exists() {
        return Value::Null;
    }
    let shown = |error: std::io::Error| json!(error.to_string());
    json!({
        "floor": place.floor().map_or_else(shown, |floor| json!(floor)),
        "state": place.state().map_or_else(shown, |state| json!(state)),
    })
}

async fn server(server: &Server) -> Value {
    let (url, proxies) = (&server.url, &server.proxies);
    let proxy = proxies.to(url);
    let target = proxy.map_or((url.host(), url.port()), |proxy| (proxy.host.as_str(), proxy.port));
    let addresses = match resolve(target.0, target.1).await {
        Ok(addresses) => json!(addresses),
        Err(error) => json!(error.to_string()),
    };
    let connection = match Dialer::new(server) {
        Err(error) => error.to_string(),
        Ok(dialer) => match dialer.dial().await {
            Ok(dialled) => format!("ok, with {}", dialled.address),
            Err(error) => error.to_string(),
        },
    };
    json!({
        "url": url.to_string(),
        "socket": url.agent_socket(),
        "ca": server.ca,
        "verified": server.trust.verifies() && url.is_tls(),
        "proxy": proxy.map(ToString::to_string),
        "addresses": addresses,
        "connection": connection,
    })
}

/// The same for people: one line for each value, indented by depth.
fn outline(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let mut text = String::new();
    if let Value::Object(fields) = value {
        for (name, field) in fields {
            let name = name.replace('_', " ");
            match field {
                Value::Object(_) => {
                    text.push_str(&format!("{indent}{name}\n{}", outline(field, depth + 1)));
                }
                other => text.push_str(&format!("{indent}{name}: {}\n", line(other))),
            }
        }
    }
    text
}

fn line(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(line).collect::<Vec<_>>().join(", "),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        other => other.to_string(),
    }
}
