//! `cargo xtask release keygen`.

use std::path::PathBuf;

use anyhow::Result;
use minisign::KeyPair;

use super::{create, password};
use crate::Outcome;

/// What is made, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The secret key's file (made with mode 0600; never overwritten).
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
    /// The public key's file; its second line is what hosts name in update.keys.
    #[arg(long, value_name = "FILE")]
    public: PathBuf,
    /// File with the password that encrypts the secret key. Without it the password is asked for.
    #[arg(long, value_name = "FILE", conflicts_with = "unencrypted")]
    password_file: Option<PathBuf>,
    /// Leave the secret key unencrypted: for keys that a vault keeps, and for tests.
    #[arg(long)]
    unencrypted: bool,
}

pub(super) fn run(options: &Options) -> Outcome {
    let pair = if options.unencrypted {
        KeyPair::generate_unencrypted_keypair()?
    } else {
        KeyPair::generate_encrypted_keypair(password(options.password_file.as_deref())?)?
    };
    write(options, &pair)?;
    println!("The secret key is in {}. Keep it offline.", options.secret.display());
    println!("Hosts trust its releases by this line in their agent.toml:");
    println!();
    println!("  [update]");
    println!("  keys = [\"{}\"]", pair.pk.to_base64());
    Ok(std::process::ExitCode::SUCCESS)
}

fn write(options: &Options, pair: &KeyPair) -> Result<()> {
    // The secret one first: a public key whose secret half is lost would only mislead.
    let comment = "secret key for releases of gangplank-agent: keep it offline";
    create(&options.secret, &pair.sk.to_box(Some(comment))?.to_bytes(), 0o600)?;
    create(&options.public, &pair.pk.to_box()?.to_bytes(), 0o644)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn a_secret_key_is_its_owner_s_and_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("password"), "correct horse\n").unwrap();
        let encrypted = Options {
            secret: path("secret"),
            public: path("public"),
            password_file: Some(path("password")),
            unencrypted: false,
        };
        run(&encrypted).unwrap();
        let made = fs::read(path("secret")).unwrap();
        let mode = fs::metadata(path("secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(run(&encrypted).is_err());
        let plain = Options { unencrypted: true, password_file: None, ..encrypted };
        assert!(run(&plain).is_err());
        assert_eq!(fs::read(path("secret")).unwrap(), made);
        // One half that is there already is not taken for the other half's.
        fs::remove_file(path("secret")).unwrap();
        assert!(run(&plain).is_err());
    }
}
