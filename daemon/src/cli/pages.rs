//! Completion scripts and manual pages, made from the definition of the command line.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::output::Failure;
use super::{Cli, Man};

pub(super) fn completion(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "gangplankd", &mut script);
    write(&script)
}

pub(super) fn man(man: &Man) -> Result<(), Failure> {
    if let Some(directory) = &man.dir {
        return clap_mangen::generate_to(Cli::command(), directory).map_err(Failure::new);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(Failure::new)?;
    write(&page)
}

fn write(bytes: &[u8]) -> Result<(), Failure> {
    match std::io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(error)),
        _ => Ok(()),
    }
}
