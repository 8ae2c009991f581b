//! The program: arguments in, exit code out.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use gangplank_daemon::cli::{self, Cli};

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                // Without standard error the exit code has to say it all.
                let _ = writeln!(std::io::stderr(), "gangplankd: {}", failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}
