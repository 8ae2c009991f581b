//! The program `gangplank-agent`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gangplank_agent::cli::main()
}
