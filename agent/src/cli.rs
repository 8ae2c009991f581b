//! The command line: what can be typed, and what each word comes to.

mod diagnostics;
mod enroll;
mod helper;
mod ping;
mod report;
mod run;
mod scan;
mod uninstall;
mod update;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::{ConfigError, DEFAULT_PATH, Environment};
use crate::facts::VERSION;

/// Exit code of a bad configuration (sysexits.h, EX_CONFIG).
const EX_CONFIG: u8 = 78;

/// Connects this host to a Gangplank daemon, as far as its own policy allows.
#[derive(Debug, Parser)]
#[command(name = "gangplank-agent", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Register this host at a daemon and write its configuration.
    Enroll(enroll::Arguments),
    /// Connect, and stay connected (what the service runs).
    Run(run::Arguments),
    /// Try the connection and the credentials, and say what is wrong.
    Ping(ping::Arguments),
    /// Show configuration, connection and policy, without secrets, for whoever helps.
    Diagnostics(diagnostics::Arguments),
    /// Show what the daemon is told about this host.
    Report(report::Arguments),
    /// Scan this host for what does not comply, as far as its policy allows.
    Scan(scan::Arguments),
    /// Do what needs root for the agent of this host (what the helper's service runs).
    #[command(hide = true)]
    Helper(helper::Arguments),
    /// Look whether the server has a newer, signed version of this program.
    Update(update::Arguments),
    /// Stop the service and remove configuration, state and unit files.
    Uninstall(uninstall::Arguments),
    /// Print the completions of a shell.
    Completion {
        /// Which one.
        shell: Shell,
    },
    /// Print the manual page.
    Man,
    /// Print the version.
    Version,
}

#[derive(Debug, clap::Args)]
struct ConfigArgument {
    /// The configuration; state lies beside it.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
}

/// Why a command failed.
#[derive(Debug)]
enum Failure {
    /// Somebody has to correct the configuration: exit code 78.
    Config(ConfigError),
    /// Anything else: exit code 1.
    Other(String),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl Failure {
    /// Any error's own text.
    fn new(error: impl ToString) -> Self {
        Self::Other(error.to_string())
    }
}

/// Runs what the process' arguments say and answers its exit code: 0 done, 1 failed, 2 wrong usage,
/// 78 bad configuration.
#[must_use]
pub fn main() -> ExitCode {
    // Wrong usage ends here, with code 2.
    let arguments = Arguments::parse();
    let environment = Environment::of_process();
    match dispatch(arguments.command, &environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Config(error)) => {
            for problem in error.problems {
                complain(&problem.to_string());
            }
            ExitCode::from(EX_CONFIG)
        }
        Err(Failure::Other(text)) => {
            complain(&text);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command, environment: &Environment) -> Result<(), Failure> {
    match command {
        Command::Enroll(arguments) => enroll::enroll(&arguments, environment),
        Command::Run(arguments) => run::run(&arguments, environment),
        Command::Ping(arguments) => ping::ping(&arguments, environment),
        Command::Diagnostics(arguments) => diagnostics::diagnostics(&arguments, environment),
        Command::Report(arguments) => report::report(&arguments, environment),
        Command::Scan(arguments) => scan::scan(&arguments, environment),
        Command::Helper(arguments) => helper::helper(&arguments, environment),
        Command::Update(arguments) => update::update(&arguments, environment),
        Command::Uninstall(arguments) => uninstall::uninstall(&arguments),
        Command::Completion { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "gangplank-agent", &mut text);
            print(&String::from_utf8_lossy(&text))
        }
        Command::Man => {
            let mut text = Vec::new();
            let page = clap_mangen::Man::new(Arguments::command());
            page.render(&mut text).map_err(Failure::new)?;
            print(&String::from_utf8_lossy(&text))
        }
        Command::Version => print(&format!("gangplank-agent {VERSION}\n")),
    }
}

/// Writes to standard output; a reader that left early is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(error)),
        _ => Ok(()),
    }
}

fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::new)?;
    print(&format!("{text}\n"))
}

fn complain(text: &str) {
    // With standard error closed there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "gangplank-agent: {text}");
}

/// Runs one command's asynchronous part.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    // One thread: a key goes through it without waking another, and a host has better things to do.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new)?;
    Ok(runtime.block_on(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_token_can_not_be_an_argument() {
        let line = ["gangplank-agent", "enroll", "--server", "https://a", "--token", "secret"];
        assert!(Arguments::try_parse_from(line).is_err());
    }
}
