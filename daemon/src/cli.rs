//! The command line: `gangplankd`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use ipnet::IpNet;

use crate::auth::Username;
use crate::config::parse_duration;

mod administrate;
mod check;
mod import;
mod keeper;
mod output;
mod pages;
mod password;
mod place;
mod start;

pub use output::Failure;

/// A relay for terminals and agents: open a shell on any host of your fleet from a browser.
#[derive(Debug, Parser)]
#[command(
    name = "gangplankd",
    version,
    propagate_version = true,
    after_help = "Try it:  gangplankd up\n\nExit codes: 0 done, 1 failed, 2 wrong usage, 78 bad configuration."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start here: make what is missing and serve in the foreground
    ///
    /// Makes the data directory, the database, a certificate authority of its own and a user `admin`
    /// whose random password is shown once. A second run finds all of it.
    Up(Up),
    /// Serve by a configuration file, for production; no passwords are generated
    Serve(Serve),
    /// Keep the terminals that the daemon opens itself, so that they outlive it
    ///
    /// A process of its own, without TLS, HTTP and database, that a daemon with the same
    /// `keeper.socket` uses. Only its own user may connect.
    Keeper(KeeperCommand),
    /// Check a configuration: every problem with its key, the reason and one fix
    CheckConfig(CheckConfig),
    /// Show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Examine configuration, data directory, database and audit
    Doctor(Plain),
    /// Exit 0 if the daemon of this data directory runs and its database takes writes
    Healthcheck(Place),
    /// What the running daemon is doing
    Status(Plain),
    /// Manage tenants
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Manage users
    #[command(subcommand)]
    User(UserCommand),
    /// Make sure that a user can log in as an administrator; prints a new password once
    RecoverAccess(RecoverAccess),
    /// Manage hosts
    #[command(subcommand)]
    Host(HostCommand),
    /// Manage enrolment tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Bring hosts and users over from another server
    #[command(subcommand)]
    Import(ImportCommand),
    /// Copy the database to a new file, also while the daemon runs
    ///
    /// The copy holds the database alone. To restore a whole installation, keep the other files of
    /// the data directory as well: certificate authority, server secret.
    Backup(Backup),
    /// Print a completion script for a shell
    Completion {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, or write those of every command
    Man(Man),
    /// Print the version
    Version,
}

/// Where the daemon's data is.
#[derive(Debug, Clone, Default, Args)]
struct Place {
    /// Configuration file [default: /etc/gangplank/gangplankd.toml if there is one]
    #[arg(long, value_name = "FILE", env = "GANGPLANK_CONFIG")]
    config: Option<PathBuf>,
    /// Data directory, in place of the configured one
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// A command that prints what it finds.
#[derive(Debug, Args)]
struct Plain {
    #[command(flatten)]
    place: Place,
    /// Print JSON, and nothing else, on standard output
    #[arg(long)]
    json: bool,
}

/// In which tenant of which daemon.
#[derive(Debug, Clone, Default, Args)]
struct Within {
    #[command(flatten)]
    place: Place,
    /// Tenant, by name or id [default: the first one]
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
}

/// A command that prints what it finds in a tenant.
#[derive(Debug, Args)]
struct PlainWithin {
    #[command(flatten)]
    place: Within,
    /// Print JSON, and nothing else, on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Up {
    /// Where to keep everything [default: ~/.local/share/gangplank]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8443]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Print one line of JSON on standard output once it accepts connections
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Serve {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "GANGPLANK_CONFIG")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct KeeperCommand {
    /// Where to listen, in place of the configured `keeper.socket`
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Configuration file [default: /etc/gangplank/gangplankd.toml if there is one]
    #[arg(long, value_name = "FILE", env = "GANGPLANK_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CheckConfig {
    /// Configuration file [default: /etc/gangplank/gangplankd.toml if there is one]
    #[arg(long, value_name = "FILE", env = "GANGPLANK_CONFIG")]
    config: Option<PathBuf>,
    /// Warn of settings that work and are weaker than they need be; exit 1 when there are any
    #[arg(long)]
    policy: bool,
    /// Print the problems as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Every key with its value and where that comes from; secrets are never shown
    Show {
        #[command(flatten)]
        place: Place,
        /// Values as they are in force (this is what is always shown)
        #[arg(long)]
        effective: bool,
        /// Without secrets (they are always hidden)
        #[arg(long)]
        redacted: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Every key with its form, its default and what it is for
    Keys,
}

#[derive(Debug, Subcommand)]
enum TenantCommand {
    /// Make a tenant; give it an administrator with: user add --tenant NAME --role admin
    Add {
        /// Its name
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// List tenants
    Ls(Plain),
    /// Lock a tenant out at once: its people and agents, and what they have open
    Suspend {
        /// Its name or id
        tenant: String,
        #[command(flatten)]
        place: Place,
    },
    /// Let a suspended tenant in again
    Activate {
        /// Its name or id
        tenant: String,
        #[command(flatten)]
        place: Place,
    },
    /// Delete a tenant with all that it has
    Rm {
        /// Its name or id
        tenant: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Make a user; the password is asked for, or read from standard input
    Add {
        /// Their name
        username: Username,
        /// A role: admin, operator, viewer, platform or one of the tenant's own; may be given more
        /// than once
        #[arg(long = "role", value_name = "ROLE", default_value = "viewer")]
        roles: Vec<String>,
        #[command(flatten)]
        place: Within,
    },
    /// Give a user another password; their logins end
    Passwd {
        /// Who
        username: Username,
        #[command(flatten)]
        place: Within,
    },
    /// Lock a user out at once: logins, sockets and terminals end
    Disable {
        /// Who
        username: Username,
        #[command(flatten)]
        place: Within,
    },
    /// Let a locked out user in again
    Enable {
        /// Who
        username: Username,
        #[command(flatten)]
        place: Within,
    },
    /// List users
    Ls(PlainWithin),
}

#[derive(Debug, Args)]
struct RecoverAccess {
    /// Who; made when there is no such user
    #[arg(default_value = "admin")]
    username: Username,
    #[command(flatten)]
    plain: PlainWithin,
}

#[derive(Debug, Subcommand)]
enum HostCommand {
    /// Make a host and print its agent's credential, once
    Add {
        /// What people call it
        name: String,
        /// Name or address that terminals dial in direct mode
        #[arg(long)]
        address: Option<String>,
        /// Port of its SSH server
        #[arg(long, default_value_t = 22)]
        port: u16,
        /// The host whose agent dials that address, by its id, or its name if only one has it
        #[arg(long, value_name = "HOST")]
        gateway: Option<String>,
        /// A label; may be given more than once
        #[arg(long = "label", value_name = "LABEL")]
        labels: Vec<String>,
        #[command(flatten)]
        plain: PlainWithin,
    },
    /// List hosts
    Ls(PlainWithin),
    /// Remove a host; its agent and its terminals are ended
    Rm {
        /// Its id, or its name if only one has it
        host: String,
        #[command(flatten)]
        place: Within,
    },
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token with which agents enrol their hosts, and print it, once
    Create {
        /// How many hosts it brings in
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// How long it can be used, such as 30m, 1h or 7d
        #[arg(long, default_value = "1h", value_parser = duration)]
        expires: Duration,
        /// Forget those hosts when their agents stay away
        #[arg(long)]
        ephemeral: bool,
        /// Hold those hosts until a person accepts them
        #[arg(long)]
        approve: bool,
        /// A label for those hosts; may be given more than once
        #[arg(long = "label", value_name = "LABEL")]
        labels: Vec<String>,
        /// A network from which it may be used, such as 10.0.0.0/8 or 2001:db8::/32; may be given more
        /// than once. Without any it may be used from everywhere
        #[arg(long = "network", value_name = "CIDR")]
        networks: Vec<IpNet>,
        #[command(flatten)]
        plain: PlainWithin,
    },
}

#[derive(Debug, Subcommand)]
enum ImportCommand {
    /// From PatchMon: hosts with their agents' keys, and users with their passwords
    ///
    /// What is here already stays as it is, so it can be done again. Either all of it comes or
    /// nothing.
    Patchmon {
        /// A dump of its PostgreSQL database, or postgres://USER@HOST/DATABASE; the password is
        /// better left to PGPASSWORD or ~/.pgpass
        #[arg(long, value_name = "FILE|URL")]
        from: String,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        plain: PlainWithin,
    },
}

#[derive(Debug, Args)]
struct Backup {
    /// The new file
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Man {
    /// Write the pages of every command into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a duration such as 30m, 1h or 7d".to_owned())
}

/// Does what the command line says.
///
/// # Errors
/// With what is to be said to the person and the exit code.
pub fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Up(up) => start::up(up),
        Command::Serve(serve) => start::serve(serve),
        Command::Keeper(wanted) => keeper::keeper(wanted),
        Command::CheckConfig(wanted) => check::config(&wanted),
        Command::Config(ConfigCommand::Show { place, json, .. }) => check::show(&place, json),
        Command::Config(ConfigCommand::Keys) => check::keys(),
        Command::Doctor(plain) => check::doctor(&plain),
        Command::Healthcheck(place) => administrate::healthcheck(&place),
        Command::Status(plain) => administrate::status(&plain),
        Command::Tenant(command) => administrate::tenant(command),
        Command::User(command) => administrate::user(command),
        Command::RecoverAccess(wanted) => administrate::recover(wanted),
        Command::Host(command) => administrate::host(command),
        Command::Token(command) => administrate::token(command),
        Command::Import(command) => import::import(command),
        Command::Backup(backup) => administrate::backup(&backup),
        Command::Completion { shell } => pages::completion(shell),
        Command::Man(man) => pages::man(&man),
        Command::Version => output::say(concat!("gangplankd ", env!("CARGO_PKG_VERSION"))),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_secret_is_taken_as_an_argument() {
        fn visit(command: &clap::Command) {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                assert!(!["password", "secret", "token", "key"].contains(&name), "{name}");
            }
            command.get_subcommands().for_each(visit);
        }
        visit(&Cli::command());
    }
}
