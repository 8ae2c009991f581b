//! `cargo xtask release`: the keys of releases, and what they sign.

mod keygen;
mod sign;

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;

use crate::Outcome;

/// No key, password or signature is as long, in bytes.
const LONGEST: u64 = 4096;

/// What is done for a release.
#[derive(Debug, Subcommand)]
pub(crate) enum Release {
    /// Make a minisign key pair for signing releases.
    ///
    /// Whoever has the secret key and its password decides what every host runs that trusts the public one.
    /// Keep it off every machine that is on a network, the daemon's and the build server's before all: make
    /// it on a machine that stays offline, on an encrypted medium, with a copy elsewhere, and carry programs
    /// to it and signatures back. Hosts can trust several keys at once: to change keys, name the new one on
    /// every host before the first release that only it signed.
    Keygen(keygen::Options),
    /// Sign programs of the agent: a manifest and its signature for each.
    ///
    /// Run it where the secret key is: on a machine that stays offline. It takes the built programs, checks
    /// nothing but that they are there, and writes a directory that belongs into the daemon's data directory
    /// as agents/: each program, its manifest, and the manifest's signature.
    ///
    /// A manifest that expires soon limits for how long a host can be kept from newer releases; sign the
    /// newest again before it expires.
    Sign(sign::Options),
}

pub(crate) fn run(release: &Release) -> Outcome {
    match release {
        Release::Keygen(options) => keygen::run(options),
        Release::Sign(options) => sign::run(options),
    }
}

/// Writes a file that wasn't there, readable as `mode` says.
fn create(path: &Path, text: &[u8], mode: u32) -> Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .with_context(|| format!("{} (what is there is not overwritten)", path.display()))?;
    file.write_all(text)?;
    Ok(file.sync_all()?)
}

/// Reads a small text.
fn read(path: &Path) -> Result<String> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).with_context(|| path.display().to_string())?;
    Ok(text)
}

/// The password in a file, without the end of its line. Without a file it is asked for.
fn password(file: Option<&Path>) -> Result<Option<String>> {
    let Some(file) = file else { return Ok(None) };
    let text = read(file)?;
    let password = text.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        bail!("{} is empty", file.display());
    }
    Ok(Some(password.to_owned()))
}
