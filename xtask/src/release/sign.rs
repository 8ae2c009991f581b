//! `cargo xtask release sign`.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use gangplank_proto::release::{Manifest, Product, Sha256, Target, Version};
use minisign::{PublicKey, SecretKey, SecretKeyBox};
use sha2::Digest as _;
use time::{Duration, OffsetDateTime};

use super::{create, password, read};
use crate::Outcome;

/// What is signed, and as what.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The secret key's file.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// File with the key's password. Without it the password of an encrypted key is asked for.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The version of the programs.
    #[arg(long)]
    version: Version,
    /// The oldest version that may put this one in its place.
    #[arg(long, value_name = "VERSION", default_value = "0.0.0")]
    minimum_version: Version,
    /// Days until which it may be installed.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
    expires_in: u16,
    /// Where to write (what is there is not overwritten).
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A system and its program, such as x86_64-unknown-linux-musl=target/…/release/gangplank-agent.
    #[arg(required = true, value_name = "TARGET=FILE", value_parser = program)]
    programs: Vec<(Target, PathBuf)>,
}

fn program(text: &str) -> Result<(Target, PathBuf), String> {
    let (target, path) = text.split_once('=').ok_or("write TARGET=FILE")?;
    let target = target.parse().map_err(|error| format!("{error}"))?;
    Ok((target, PathBuf::from(path)))
}

pub(super) fn run(options: &Options) -> Outcome {
    let key = secret_key(&options.key, options.password_file.as_deref())?;
    let public = PublicKey::from_secret_key(&key)?;
    let expires = OffsetDateTime::now_utc() + Duration::days(options.expires_in.into());
    let expires = expires.replace_nanosecond(0)?;
    fs::create_dir_all(&options.out).with_context(|| options.out.display().to_string())?;
    for (target, path) in &options.programs {
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        let manifest = Manifest {
            product: Product::Agent,
            version: options.version,
            target: *target,
            length: bytes.len() as u64,
            sha256: Sha256::new(sha2::Sha256::digest(&bytes).into()),
            minimum_version: options.minimum_version,
            expires,
        };
        let text = serde_json::to_vec_pretty(&manifest)?;
        // What no agent would take is not signed.
        Manifest::parse(&text).with_context(|| path.display().to_string())?;
        let comment = format!("gangplank-agent {} {target}", options.version);
        let signature = minisign::sign(
            Some(&public),
            &key,
            Cursor::new(&text),
            Some(&comment),
            Some("signature of a release of gangplank-agent"),
        )?;
        let name = options.out.join(target.file_name());
        let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", name.display()));
        create(&name, &bytes, 0o755)?;
        create(&beside(".json"), &text, 0o644)?;
        create(&beside(".json.minisig"), signature.to_string().as_bytes(), 0o644)?;
        println!("{}: {} {target}, until {}", name.display(), options.version, expires.date());
    }
    Ok(std::process::ExitCode::SUCCESS)
}

/// Reads a secret key; an unencrypted one needs no password.
fn secret_key(path: &Path, password_file: Option<&Path>) -> Result<SecretKey> {
    let text = read(path)?;
    if let Ok(key) = SecretKeyBox::from_string(&text)?.into_unencrypted_secret_key() {
        return Ok(key);
    }
    let key = SecretKeyBox::from_string(&text)?.into_secret_key(password(password_file)?);
    match key {
        Ok(key) => Ok(key),
        Err(error) => bail!("{}: {error}", path.display()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use minisign::KeyPair;
    use minisign_verify::Signature;

    use super::*;

    fn options(directory: &Path, programs: &[&str]) -> Options {
        fs::write(directory.join("program"), b"a program").unwrap();
        let programs =
            programs.iter().map(|target| (target.parse().unwrap(), directory.join("program")));
        Options {
            key: directory.join("key"),
            password_file: None,
            version: "1.2.3".parse().unwrap(),
            minimum_version: "1.0.0".parse().unwrap(),
            expires_in: 30,
            out: directory.join("out"),
            programs: programs.collect(),
        }
    }

    fn check(directory: &Path, pair: &KeyPair, target: &str) {
        let file = |suffix: &str| directory.join(format!("out/gangplank-agent-{target}{suffix}"));
        let text = fs::read(file(".json")).unwrap();
        let signature = Signature::decode(&fs::read_to_string(file(".json.minisig")).unwrap());
        let key = minisign_verify::PublicKey::from_base64(&pair.pk.to_base64()).unwrap();
        key.verify(&text, &signature.unwrap(), false).unwrap();
        let manifest = Manifest::parse(&text).unwrap();
        assert_eq!(manifest.target.as_str(), target);
        assert_eq!(manifest.length, 9);
        assert_eq!(fs::read(file("")).unwrap(), b"a program");
        let days = (manifest.expires - OffsetDateTime::now_utc()).whole_days();
        assert!((29..=30).contains(&days), "{days}");
    }

    #[test]
    fn what_is_signed_is_what_agents_check() {
        let directory = tempfile::tempdir().unwrap();
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let key = pair.sk.to_box(None).unwrap().to_bytes();
        create(&directory.path().join("key"), &key, 0o600).unwrap();
        let targets = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-musl"];
        let options = options(directory.path(), &targets);
        run(&options).unwrap();
        for target in targets {
            check(directory.path(), &pair, target);
        }
        // Nothing that was given out is replaced by something else of the same name.
        assert!(run(&options).is_err());
    }

    #[test]
    fn an_encrypted_key_needs_its_password() {
        let directory = tempfile::tempdir().unwrap();
        let pair = KeyPair::generate_encrypted_keypair(Some("secret".to_owned())).unwrap();
        let key = pair.sk.to_box(None).unwrap().to_bytes();
        create(&directory.path().join("key"), &key, 0o600).unwrap();
        let mut options = options(directory.path(), &["x86_64-unknown-linux-gnu"]);
        let password = directory.path().join("password");
        options.password_file = Some(password.clone());
        fs::write(&password, "wrong").unwrap();
        assert!(run(&options).is_err());
        fs::write(&password, "secret\n").unwrap();
        run(&options).unwrap();
        check(directory.path(), &pair, "x86_64-unknown-linux-gnu");
    }

    #[test]
    fn a_release_replaces_something_older() {
        let directory = tempfile::tempdir().unwrap();
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let key = pair.sk.to_box(None).unwrap().to_bytes();
        create(&directory.path().join("key"), &key, 0o600).unwrap();
        let mut options = options(directory.path(), &["x86_64-unknown-linux-gnu"]);
        options.minimum_version = "1.2.4".parse().unwrap();
        assert!(run(&options).is_err());
    }

    #[test]
    fn a_program_has_a_known_system() {
        assert!(program("x86_64-unknown-linux-gnu=a=b").unwrap().1 == Path::new("a=b"));
        assert!(program("x86_64-pc-windows-msvc=a").is_err() && program("a").is_err());
    }
}
