//! The transient unit of a verb: what the service manager is asked to start, and in which bounds.
//! The argument list is made here from constants and our own id, and from nothing that was asked.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

use nix::unistd::User;

use super::Verb;
use super::policy::Policy;
use crate::packages;
use crate::scan::Limits;

/// What a worker has beyond the time of its work, to end it and to say so.
const MARGIN: Duration = Duration::from_secs(60);

/// For every worker.
const WORKER: &[&str] = &["Slice=system.slice", "LimitCORE=0", "KeyringMode=private"];

/// A scan reads everything and changes nothing. What would hide a part of the host from it, such as
/// its network settings, its modules or its temporary files, is left out.
const SCAN: &[&str] = &[
    "MemoryMax=4G",
    "CPUQuota=100%",
    "TasksMax=512",
    "Nice=19",
    "IOSchedulingClass=idle",
    "UMask=0077",
    "CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SYS_PTRACE",
    "AmbientCapabilities=",
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    // Scanners have temporary files there, whatever they are told.
    "ReadWritePaths=-/tmp",
    "ProtectHome=read-only",
    "ProtectKernelTunables=yes",
    "ProtectControlGroups=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "PrivateMounts=yes",
    "RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6",
    "IPAddressDeny=any",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
];

/// A package's scripts have to be able to do all that they do when a person updates it.
const PACKAGES: &[&str] =
    &["MemoryMax=4G", "TasksMax=4096", "Nice=10", "UMask=0022", "OOMPolicy=continue"];

/// A tool is root's own choice.
const TOOL: &[&str] = &["MemoryMax=4G", "CPUQuota=200%", "TasksMax=1024", "UMask=0022"];

/// A shell has to be as free as one that sshd starts. What is left of it when it ends, ends too.
const SHELL: &[&str] = &[
    "StandardInput=tty",
    "StandardOutput=tty",
    "StandardError=tty",
    "PAMName=login",
    "WorkingDirectory=-~",
    "UMask=0022",
    "IgnoreSIGPIPE=no",
    "SendSIGHUP=yes",
    "TimeoutStopSec=5",
    "TasksMax=4096",
    "OOMPolicy=continue",
];

/// A unit that is about to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub name: String,
    properties: Vec<String>,
    /// Environment of the worker.
    variables: Vec<String>,
}

impl Unit {
    /// The unit in which a verb is done; `id` tells it from others.
    #[must_use]
    pub fn of(verb: &Verb, policy: &Policy, id: u64) -> Self {
        let name = format!("gangplank-{}-{id:016x}.service", verb.as_str());
        let own = match verb {
            Verb::Scan { .. } => [WORKER, SCAN].concat(),
            Verb::Packages { .. } => [WORKER, PACKAGES].concat(),
            Verb::Tool { .. } => [WORKER, TOOL].concat(),
            Verb::Pty { .. } => SHELL.to_vec(),
        };
        let mut properties: Vec<String> = own.into_iter().map(ToOwned::to_owned).collect();
        if let Verb::Pty { term, .. } = verb {
            // It lasts as long as somebody shows it.
            return Self { name, properties, variables: vec![format!("TERM={term}")] };
        }
        properties.push(format!("RuntimeMaxSec={}", (time(verb, policy) + MARGIN).as_secs()));
        // What it was told to end is awaited by its worker.
        properties.push(format!("TimeoutStopSec={}", grace(verb).as_secs()));
        let mut variables = Vec::new();
        if let Verb::Scan { .. } = verb {
            // The rest of the system is read-only.
            properties.push(format!("RuntimeDirectory={}", name.trim_end_matches(".service")));
            properties.push("RuntimeDirectoryMode=0700".to_owned());
            variables.push(format!("TMPDIR=/run/{}", name.trim_end_matches(".service")));
        }
        Self { name, properties, variables }
    }

    /// The arguments of systemd-run(1) that start `program` in it as a worker, joined to our own
    /// standard input and output.
    #[must_use]
    pub fn arguments(&self, program: &Path, policy: &Path) -> Vec<OsString> {
        let mut arguments = self.start(&["--pipe"]);
        arguments.push(program.into());
        arguments.extend(super::work::arguments(policy));
        arguments
    }

    /// The arguments of systemd-run(1) that start a user's login shell in it, on the terminal `tty`.
    #[must_use]
    pub fn shell(&self, user: &User, tty: &str) -> Vec<OsString> {
        let own = user.shell.as_os_str();
        let shell = if own.is_empty() { OsStr::new("/bin/sh") } else { own };
        let uid = format!("--uid={}", user.name);
        let mut arguments = self.start(&[&uid, &format!("--property=TTYPath={tty}")]);
        arguments.extend([shell.to_owned(), "-l".into()]);
        arguments
    }

    fn start(&self, more: &[&str]) -> Vec<OsString> {
        // Of type `simple`: how a service of type `exec` ended is lost when it ended at once.
        let flags = ["--quiet", "--no-ask-password", "--wait", "--collect"];
        let mut arguments: Vec<OsString> =
            flags.iter().chain(more).map(|argument| (*argument).into()).collect();
        arguments.push(format!("--unit={}", self.name).into());
        for property in &self.properties {
            arguments.push(format!("--property={property}").into());
        }
        for variable in &self.variables {
            arguments.push(format!("--setenv={variable}").into());
        }
        arguments.push("--".into());
        arguments
    }
}

/// How long a verb may take.
fn time(verb: &Verb, policy: &Policy) -> Duration {
    match verb {
        Verb::Scan { .. } => Limits::default().wall,
        Verb::Packages { .. } => packages::WALL + packages::GRACE,
        Verb::Tool { name, .. } => {
            policy.tool(name.as_str()).map_or(Duration::ZERO, |tool| tool.timeout)
        }
        Verb::Pty { .. } => Duration::MAX,
    }
}

/// What a worker has to end its work once it was called off; then it is killed.
pub(super) fn grace(verb: &Verb) -> Duration {
    match verb {
        Verb::Scan { .. } | Verb::Tool { .. } | Verb::Pty { .. } => MARGIN,
        Verb::Packages { .. } => packages::GRACE + MARGIN,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::BTreeMap;

    use gangplank_proto::scan::Scanner;
    use nix::unistd::Uid;

    use super::*;
    use crate::helper::Name;
    use crate::packages::Mode;
    use crate::policy::Tool;

    fn policy() -> Policy {
        let tool = Tool {
            command: "/usr/bin/df".into(),
            args: Vec::new(),
            params: BTreeMap::new(),
            timeout: Duration::from_secs(30),
            root: true,
        };
        let tools = [("df".to_owned(), tool)].into_iter().collect();
        let users = Vec::new();
        Policy { user: Uid::from_raw(0), scan: true, packages: true, users, tools }
    }

    fn arguments(verb: &Verb) -> Vec<String> {
        let unit = Unit::of(verb, &policy(), 0xab);
        let program = Path::new("/usr/bin/gangplank-agent");
        let arguments = unit.arguments(program, Path::new("/etc/gangplank/helper.toml"));
        arguments.into_iter().map(|argument| argument.into_string().unwrap()).collect()
    }

    #[test]
    fn a_scan_runs_in_a_unit_that_can_change_nothing() {
        let profile = Name::new("xccdf_some_profile").ok();
        let scan = arguments(&Verb::Scan { scanner: Scanner::Openscap, profile });
        for expected in [
            "--pipe",
            "--wait",
            "--collect",
            "--unit=gangplank-scan-00000000000000ab.service",
            "--property=MemoryMax=4G",
            "--property=CPUQuota=100%",
            "--property=TasksMax=512",
            "--property=RuntimeMaxSec=3660",
            "--property=ProtectSystem=strict",
            "--property=CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SYS_PTRACE",
            "--setenv=TMPDIR=/run/gangplank-scan-00000000000000ab",
        ] {
            assert!(scan.iter().any(|argument| argument == expected), "{expected}: {scan:#?}");
        }
        let end = scan.iter().position(|argument| argument == "--").unwrap();
        let worker = ["/usr/bin/gangplank-agent", "helper", "--work", "--policy"];
        assert_eq!(scan[end + 1..end + 5], worker);
        assert_eq!(scan[end + 5..], ["/etc/gangplank/helper.toml"]);
        // What was asked goes in by standard input.
        assert!(!scan.iter().any(|argument| argument.contains("xccdf_some_profile")));
    }

    #[test]
    fn a_unit_lives_as_long_as_its_work_may_take() {
        let name = Name::new("df").unwrap();
        let tool = arguments(&Verb::Tool { name, args: BTreeMap::new() });
        assert!(tool.contains(&"--property=RuntimeMaxSec=90".to_owned()), "{tool:#?}");
        let packages = arguments(&Verb::Packages { mode: Mode::All });
        let long = format!(
            "--property=RuntimeMaxSec={}",
            (packages::WALL + packages::GRACE + MARGIN).as_secs()
        );
        assert!(packages.contains(&long), "{packages:#?}");
        // A script of a package may do anything that root may.
        assert!(!packages.iter().any(|argument| argument.contains("CapabilityBoundingSet")));
    }
}
