//! The host's own sshd, as far as its files tell: public host keys and ports. `sshd -T` would know
//! better, but it needs root and runs a program; the lines that matter are few.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use sha2::{Digest as _, Sha256};

use crate::config::file;

/// Files of settings that are looked at, with all included ones.
const FILES: usize = 64;

/// Keys that are reported at most.
const KEYS: usize = 16;

/// What is known about the host's sshd.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sshd {
    /// Its public keys, one OpenSSH line each, without comments.
    pub host_keys: Vec<String>,
    /// Ports on which it listens; 22 unless its settings say otherwise.
    pub ports: Vec<u16>,
}

/// Reads what lies in `directory`, usually `/etc/ssh`. What is missing or broken is left out.
#[must_use]
pub fn read(directory: &Path) -> Sshd {
    let mut settings = Settings { directory: directory.to_owned(), ..Settings::default() };
    settings.read(&directory.join("sshd_config"));
    let mut files: Vec<PathBuf> = settings.keys;
    if files.is_empty() {
        files = matching(&directory.join("ssh_host_*_key.pub"));
    }
    let mut host_keys: Vec<String> = files.iter().filter_map(|path| public_key(path)).collect();
    host_keys.sort();
    host_keys.dedup();
    host_keys.truncate(KEYS);
    let mut ports = settings.ports;
    ports.sort_unstable();
    ports.dedup();
    if ports.is_empty() {
        ports.push(22);
    }
    Sshd { host_keys, ports }
}

/// A host key as people compare it: type and fingerprint, as `ssh-keygen -l` shows them.
#[must_use]
pub fn fingerprint(line: &str) -> String {
    let (kind, key) = line.split_once(' ').unwrap_or((line, ""));
    let blob = base64::engine::general_purpose::STANDARD.decode(key).unwrap_or_default();
    let digest = Sha256::digest(blob);
    let shown = base64::engine::general_purpose::STANDARD_NO_PAD.encode(digest);
    format!("{kind} SHA256:{shown}")
}

/// The lines of sshd_config(5) that matter here.
#[derive(Debug, Default)]
struct Settings {
    directory: PathBuf,
    /// Public halves of the named host keys.
    keys: Vec<PathBuf>,
    ports: Vec<u16>,
    files: usize,
}

impl Settings {
    fn read(&mut self, path: &Path) {
        self.files += 1;
        if self.files > FILES {
            return;
        }
        let Ok(text) = file::read(path) else { return };
        for line in text.lines() {
            let mut words = line.split([' ', '\t', '=', '"']).filter(|word| !word.is_empty());
            let Some(keyword) = words.next() else { continue };
            match keyword.to_ascii_lowercase().as_str() {
                // What follows holds for some clients only.
                "match" => return,
                "port" => self.ports.extend(words.next().and_then(|port| port.parse::<u16>().ok())),
                "listenaddress" => self.ports.extend(words.next().and_then(port_of)),
                "hostkey" => {
                    if let Some(key) = words.next() {
                        self.keys.push(self.directory.join(format!("{key}.pub")));
                    }
                }
                "include" => {
                    for pattern in words {
                        for included in matching(&self.directory.join(pattern)) {
                            self.read(&included);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// The port of `host:port` or `[address]:port`; a bare IPv6 address has none.
fn port_of(address: &str) -> Option<u16> {
    let (host, port) = address.rsplit_once(':')?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    (bracketed || !host.contains(':')).then(|| port.parse().ok()).flatten()
}

/// The files that match a path whose last part may have one `*`, in order of their names.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let Some((before, after)) = name.split_once('*') else { return vec![pattern.to_owned()] };
    let entries = pattern.parent().and_then(|parent| fs::read_dir(parent).ok());
    let mut found: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .take(1024)
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let fits = name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
                && !name.starts_with('.');
            fits.then(|| entry.path())
        })
        .collect();
    found.sort();
    found
}

/// Type and key of an OpenSSH public key file, if it is one.
fn public_key(path: &Path) -> Option<String> {
    let text = file::read(path).ok()?;
    let mut words = text.lines().next()?.split_ascii_whitespace();
    let (kind, key) = (words.next()?, words.next()?);
    let blob = base64::engine::general_purpose::STANDARD.decode(key).ok()?;
    // The blob begins with the type again (RFC 4253 §6.6): anything else isn't a key.
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    (rest.get(..length)? == kind.as_bytes()).then(|| format!("{kind} {key}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// An Ed25519 key of the right form.
    fn key(last: u8) -> String {
        let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0 ".to_vec();
        blob.extend([7; 31]);
        blob.push(last);
        format!("ssh-ed25519 {}", base64::engine::general_purpose::STANDARD.encode(blob))
    }

    #[test]
    fn a_plain_installation_has_its_default_keys_and_port_22() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("ssh_host_ed25519_key.pub"), format!("{} root@host\n", key(1))).unwrap();
        fs::write(path("ssh_host_rsa_key.pub"), "ssh-rsa not-base64 root@host\n").unwrap();
        fs::write(path("ssh_host_ecdsa_key.pub"), key(2).replace("ed25519", "ecdsa")).unwrap();
        fs::write(path("ssh_host_ed25519_key"), "private").unwrap();
        let found = read(directory.path());
        assert_eq!(found, Sshd { host_keys: vec![key(1)], ports: vec![22] });
    }

    #[test]
    fn settings_name_other_keys_and_ports() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("sshd_config.d")).unwrap();
        fs::write(path("mine.pub"), key(3)).unwrap();
        fs::write(path("ssh_host_ed25519_key.pub"), key(1)).unwrap();
        fs::write(path("sshd_config.d/10-ports.conf"), "  Port 2222\nport=2022\n").unwrap();
        let lines = "Include sshd_config.d/*.conf\n#Port 1\nHostKey mine\nListenAddress [::1]:2322\n\
                     ListenAddress ::1\nMatch User x\n  Port 3\n";
        fs::write(path("sshd_config"), lines).unwrap();
        let found = read(directory.path());
        assert_eq!(found, Sshd { host_keys: vec![key(3)], ports: vec![2022, 2222, 2322] });
    }

    #[test]
    fn settings_that_include_themselves_come_to_an_end() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("sshd_config"), "Include sshd_config\n").unwrap();
        assert_eq!(read(directory.path()).ports, [22]);
    }

    #[test]
    fn a_fingerprint_is_what_ssh_keygen_shows() {
        let line =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEuipbL3uDAiyQuUEIPCTfjUpzACAk2JbdR9sG9oCmaT";
        // echo "$line" | ssh-keygen -lf -
        assert_eq!(
            fingerprint(line),
            "ssh-ed25519 SHA256:RjpAsCSfMyljlfJJLpkuZByC9YSNgTdVZwngEBFwi6w"
        );
    }

    #[test]
    fn a_host_without_sshd_has_no_keys() {
        let directory = tempfile::tempdir().unwrap();
        assert!(read(directory.path()).host_keys.is_empty());
    }
}
