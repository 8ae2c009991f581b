//! What the agent says about its host: read from a few small files each time somebody asks, without
//! running any program.

pub mod sshd;

use std::path::Path;

use gangplank_proto::fact::{Hello, HostFacts};
use gangplank_proto::limit;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::config::{DEFAULT_PATH, Local, file};
use crate::policy::Account;

/// Version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The body of `POST /devices/register`: how a host introduces itself.
#[derive(Debug, Clone, Serialize)]
pub struct Introduction {
    /// Host name as the host has it.
    pub hostname: String,
    /// Operating system's name.
    pub os: String,
    /// Operating system's version.
    pub os_version: String,
    /// Kernel release.
    pub kernel: String,
    /// Machine architecture.
    pub arch: String,
    /// A name of the installation that says nothing else: a hash of the machine id, which is to be
    /// kept confidential (machine-id(5)). Empty when the host has none.
    pub machine_id: String,
    /// Version of this program.
    pub agent_version: String,
    /// The host's SSH public keys, one OpenSSH line each.
    pub ssh_host_keys: Vec<String>,
}

/// The user that this process runs as.
#[must_use]
pub fn own_account() -> Account {
    let uid = nix::unistd::geteuid();
    let entry = nix::unistd::User::from_uid(uid).ok().flatten();
    let name = entry.map_or_else(|| uid.to_string(), |user| user.name);
    Account { name, root: uid.is_root(), helped: false }
}

/// Name, system and machine of this host.
#[must_use]
pub fn host(own: &Account) -> HostFacts {
    let release = os_release();
    let os = release_field(&release, "NAME").unwrap_or_else(|| std::env::consts::OS.to_owned());
    let version =
        release_field(&release, "VERSION_ID").or_else(|| release_field(&release, "VERSION"));
    HostFacts {
        hostname: hostname().into(),
        os: os.into(),
        os_version: version.unwrap_or_default().into(),
        kernel: kernel().into(),
        arch: std::env::consts::ARCH.into(),
        agent_version: VERSION.into(),
        run_as: own.name.as_str().into(),
    }
}

/// Everything that the daemon is told when the link opens.
#[must_use]
pub fn hello(local: &Local, own: &Account) -> Hello {
    let ssh = sshd::read(&local.ssh_dir);
    Hello {
        host: host(own),
        host_keys: ssh.host_keys,
        ssh_ports: ssh.ports,
        policy: local.policy.facts(&own.helped_by(&local.helper)),
        sessions: Vec::new(),
        jobs: Vec::new(),
    }
    .bounded(limit::CHANNELS_PER_LINK)
}

/// How this host introduces itself when it enrols.
#[must_use]
pub fn introduction(local: &Local, own: &Account) -> Introduction {
    let facts = host(own);
    Introduction {
        hostname: facts.hostname.into(),
        os: facts.os.into(),
        os_version: facts.os_version.into(),
        kernel: facts.kernel.into(),
        arch: facts.arch.into(),
        machine_id: machine_id(),
        agent_version: VERSION.to_owned(),
        ssh_host_keys: sshd::read(&local.ssh_dir).host_keys,
    }
}

fn hostname() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// By uname(2): a sandbox may hide `/proc/sys`.
fn kernel() -> String {
    let name = nix::sys::utsname::uname();
    name.map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default()
}

fn machine_id() -> String {
    let id = line_of("/etc/machine-id");
    if id.is_empty() {
        return id;
    }
    let digest = Sha256::digest(format!("gangplank-agent {id}"));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// A name of this agent's installation: the machine's, unless its configuration has a place of its own,
/// because two agents on one machine are two hosts. Empty when the machine has no name.
#[must_use]
pub fn installation(config: &Path) -> String {
    let machine = machine_id();
    if machine.is_empty() || config == Path::new(DEFAULT_PATH) {
        return machine;
    }
    let place = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
    let digest = Sha256::digest(format!("{machine} {}", place.display()));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn line_of(path: &str) -> String {
    let text = file::read(Path::new(path)).unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// The text of os-release(5).
pub(crate) fn os_release() -> String {
    let files = ["/etc/os-release", "/usr/lib/os-release"];
    files.into_iter().find_map(|path| file::read(Path::new(path)).ok()).unwrap_or_default()
}

/// The value of one field of os-release(5), without its quotes.
pub(crate) fn release_field(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?.trim();
    let quoted = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    let bare = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    (!bare.is_empty()).then(|| bare.replace('\\', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_is_read_as_its_manual_says() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID='12'\n\
                    ID=debian\nEMPTY=\n";
        assert_eq!(release_field(text, "NAME").as_deref(), Some("Debian GNU/Linux"));
        assert_eq!(release_field(text, "VERSION_ID").as_deref(), Some("12"));
        assert_eq!(release_field(text, "ID").as_deref(), Some("debian"));
        assert_eq!(release_field(text, "EMPTY"), None);
        assert_eq!(release_field(text, "VERSION"), None);
    }

    #[test]
    fn this_host_has_a_name_and_a_kernel() {
        let facts = host(&own_account());
        assert!(!facts.hostname.is_empty());
        assert!(!facts.kernel.is_empty());
        assert!(!facts.run_as.is_empty());
    }
}
