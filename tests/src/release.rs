//! Releases of the agent as a maintainer makes them, and as nobody should.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use minisign::KeyPair;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use toml::Table;

use crate::program;

/// Somebody with a signing key.
#[derive(Debug)]
pub struct Signer(KeyPair);

/// The three files of a release.
#[derive(Debug, Clone)]
pub struct Release {
    /// What is run.
    pub program: Vec<u8>,
    /// What is signed.
    pub manifest: Vec<u8>,
    /// Who signed it; without it the release isn't.
    pub signature: Option<String>,
}

/// The system that these tests run on.
pub fn target() -> String {
    let libc = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    format!("{}-unknown-linux-{libc}", std::env::consts::ARCH)
}

/// The agent under test, as bytes.
pub fn agent_program() -> Vec<u8> {
    fs::read(program::gangplank_agent()).expect("a program")
}

/// A moment as a manifest has it.
pub fn moment(from_now: Duration) -> String {
    (OffsetDateTime::now_utc() + from_now).format(&Rfc3339).expect("a time")
}

impl Default for Signer {
    fn default() -> Self {
        Self::new()
    }
}

impl Signer {
    /// Makes a key.
    pub fn new() -> Self {
        Self(KeyPair::generate_unencrypted_keypair().expect("randomness"))
    }

    /// The public key as hosts name it.
    pub fn key(&self) -> String {
        self.0.pk.to_base64()
    }

    /// Lets an agent be updated to what this key signs.
    pub fn allow(&self, table: &mut Table) {
        let set = |table: &mut Table, section: &str, key: &str, value: toml::Value| {
            let section = table.entry(section).or_insert_with(|| Table::new().into());
            section.as_table_mut().expect("a table").insert(key.to_owned(), value);
        };
        set(table, "policy", "update", true.into());
        set(table, "update", "keys", toml::Value::Array(vec![self.key().into()]));
    }

    /// Signs bytes.
    pub fn sign(&self, bytes: &[u8]) -> String {
        let (public, secret) = (&self.0.pk, &self.0.sk);
        let signed = minisign::sign(Some(public), secret, Cursor::new(bytes), None, None);
        signed.expect("a signature").to_string()
    }

    /// A release of this program under a version.
    pub fn release(&self, version: &str, program: &[u8]) -> Release {
        self.release_with(program, &manifest(version, program))
    }

    /// A release whose manifest says what it should not.
    pub fn release_with(&self, program: &[u8], manifest: &Value) -> Release {
        let manifest = manifest.to_string().into_bytes();
        let signature = Some(self.sign(&manifest));
        Release { program: program.to_owned(), manifest, signature }
    }
}

/// A manifest that is right.
pub fn manifest(version: &str, program: &[u8]) -> Value {
    json!({
        "product": "gangplank-agent",
        "version": version,
        "target": target(),
        "length": program.len(),
        "sha256": hex::encode(Sha256::digest(program)),
        "minimum_version": "0.0.1",
        "expires": moment(Duration::days(1)),
    })
}

impl Release {
    /// Puts it where a daemon with this data directory finds it, in place of what was there.
    pub fn put(&self, data: &Path) {
        let agents = data.join("agents");
        fs::create_dir_all(&agents).expect("our own directory");
        let file = |suffix: &str| agents.join(format!("gangplank-agent-{}{suffix}", target()));
        put(&file(""), &self.program);
        put(&file(".json"), &self.manifest);
        match &self.signature {
            Some(signature) => put(&file(".json.minisig"), signature.as_bytes()),
            None => drop(fs::remove_file(file(".json.minisig"))),
        }
    }
}

/// Replaces a file, which somebody may be reading.
fn put(path: &Path, bytes: &[u8]) {
    let draft = PathBuf::from(format!("{}.new", path.display()));
    fs::write(&draft, bytes).expect("our own directory");
    fs::rename(&draft, path).expect("our own directory");
}
