//! `report`: what the daemon is told about this host.

use super::{ConfigArgument, Failure, print, print_json};
use crate::config::{Environment, Local};
use crate::facts;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn report(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let local = Local::load(&arguments.config.config, environment)?;
    let hello = facts::hello(&local, &facts::own_account());
    if arguments.json {
        return print_json(&hello);
    }
    let host = &hello.host;
    let mut text = String::new();
    for (name, value) in [
        ("host name", host.hostname.as_str()),
        ("system", host.os.as_str()),
        ("version", host.os_version.as_str()),
        ("kernel", host.kernel.as_str()),
        ("architecture", host.arch.as_str()),
        ("agent", host.agent_version.as_str()),
        ("runs as", host.run_as.as_str()),
    ] {
        text.push_str(&format!("{name:>14}  {value}\n"));
    }
    for key in &hello.host_keys {
        text.push_str(&format!("{:>14}  {}\n", "SSH host key", facts::sshd::fingerprint(key)));
    }
    let ports: Vec<String> = hello.ssh_ports.iter().map(ToString::to_string).collect();
    text.push_str(&format!("{:>14}  {}\n", "SSH ports", ports.join(", ")));
    print(&text)
}
