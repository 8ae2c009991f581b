//! Root's own file, `/etc/gangplank/helper.toml`: who may ask, and for what. Everything is off that
//! it doesn't switch on, and it counts only while nobody but root can change it.
//!
//! | key | is |
//! | --- | --- |
//! | `user` | whose processes may ask, `gangplank-agent` |
//! | `policy.scan` | compliance scans |
//! | `policy.packages` | package updates |
//! | `policy.users` | users whose login shell may be lent |
//! | `policy.tools` | the tools of `[tools.NAME]`, each with `root = true` |

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};
use serde::Deserialize;

use super::Verb;
use crate::config::tool;
use crate::policy::Tool;

/// No policy is as long as this, in bytes.
const MAX_LEN: u64 = 1 << 20;

/// Anybody may write there, but only to files of one's own.
const STICKY: u32 = 0o1000;

/// What root allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whose processes may ask.
    pub user: Uid,
    /// Compliance scans.
    pub scan: bool,
    /// Package updates.
    pub packages: bool,
    /// Users whose login shell may be lent.
    pub users: Vec<String>,
    /// Tools, by name; none unless they are switched on.
    pub tools: BTreeMap<String, Tool>,
}

/// Why there is no policy to go by.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// There is no file.
    #[error("{0} does not exist, so everything is off")]
    Missing(PathBuf),
    /// It is not root's.
    #[error("{0} belongs to another user than root: run `chown root:root {0}`")]
    Owner(PathBuf),
    /// Others can write it.
    #[error("{0} can be written by others than root: run `chmod go-w {0}`")]
    Writable(PathBuf),
    /// It can't be read.
    #[error("{path}: {error}")]
    Io {
        /// The file, or a directory on the way to it.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It does not say what it should.
    #[error("{path}: {reason}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Why a verb is refused. It names the key to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The verb is off.
    #[error("the helper of this host does no {what}; root can set policy.{key} in its helper.toml")]
    Off {
        /// For people.
        what: &'static str,
        /// The key.
        key: &'static str,
    },
    /// Nobody may have that user's shell.
    #[error("the helper of this host lends no terminal of that user; root can add to policy.users")]
    User,
    /// There is no such tool.
    #[error("the helper.toml of this host lists no such tool")]
    NoTool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default = "agent_user")]
    user: String,
    #[serde(default)]
    policy: Switches,
    tools: Option<toml::Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Switches {
    scan: bool,
    packages: bool,
    tools: bool,
    users: Vec<String>,
}

fn agent_user() -> String {
    "gangplank-agent".to_owned()
}

impl Policy {
    /// Reads the file, if it is root's alone.
    ///
    /// # Errors
    /// [`PolicyError`], with what to do.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let mut text = String::new();
        let file = trusted(path)?;
        let read = file.take(MAX_LEN).read_to_string(&mut text);
        read.map_err(|error| PolicyError::Io { path: path.to_owned(), error })?;
        Self::parse(&text).map_err(|reason| PolicyError::Wrong { path: path.to_owned(), reason })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let user = match written.user.parse() {
            Ok(number) => Uid::from_raw(number),
            Err(_) => match User::from_name(&written.user) {
                Ok(Some(user)) => user.uid,
                Ok(None) => return Err(format!("user: this host has no {}", written.user)),
                Err(error) => return Err(format!("the user database can't be read: {error}")),
            },
        };
        let mut problems = Vec::new();
        let mut tools = tool::read(written.tools.as_ref(), &mut problems);
        if let Some(problem) = problems.first() {
            return Err(problem.to_string());
        }
        // Whoever copies a tool from the agent's file has to mean it.
        if let Some((name, _)) = tools.iter().find(|(_, tool)| !tool.root) {
            return Err(format!(
                "tools.{name}.root is not true, and all that is here runs as root"
            ));
        }
        if !written.policy.tools {
            tools.clear();
        }
        let Switches { scan, packages, users, .. } = written.policy;
        Ok(Self { user, scan, packages, users, tools })
    }

    /// Whether a verb may be done at all; what stands in a tool's gaps is looked at when it is run.
    ///
    /// # Errors
    /// [`Refusal`] with a text for the person who asked.
    pub fn check(&self, verb: &Verb) -> Result<(), Refusal> {
        match verb {
            Verb::Scan { .. } if !self.scan => Err(Refusal::Off { what: "scans", key: "scan" }),
            Verb::Packages { .. } if !self.packages => {
                Err(Refusal::Off { what: "package updates", key: "packages" })
            }
            Verb::Tool { name, .. } => self.tool(name.as_str()).map(drop),
            Verb::Pty { user, .. } if !self.users.iter().any(|name| name == user.as_str()) => {
                Err(Refusal::User)
            }
            Verb::Scan { .. } | Verb::Packages { .. } | Verb::Pty { .. } => Ok(()),
        }
    }

    /// A tool.
    ///
    /// # Errors
    /// [`Refusal`] when there is none of that name, or none at all.
    pub fn tool(&self, name: &str) -> Result<&Tool, Refusal> {
        if self.tools.is_empty() {
            return Err(Refusal::Off { what: "tools", key: "tools" });
        }
        self.tools.get(name).ok_or(Refusal::NoTool)
    }
}

/// Opens a file that nobody but root can change, put another in the place of, or reach by a link of
/// one's own.
///
/// # Errors
/// [`PolicyError`] that names what of it is not root's.
pub fn trusted(path: &Path) -> Result<File, PolicyError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => PolicyError::Missing(path),
            _ => PolicyError::Io { path, error },
        }
    };
    let real = fs::canonicalize(path).map_err(failed(path))?;
    // From the root on, so that what was looked at can't be moved by what comes later.
    let directories: Vec<&Path> = real.ancestors().skip(1).collect();
    for directory in directories.into_iter().rev() {
        check(directory, &fs::symlink_metadata(directory).map_err(failed(directory))?)?;
    }
    let file = File::open(&real).map_err(failed(&real))?;
    check(&real, &file.metadata().map_err(failed(&real))?)?;
    Ok(file)
}

fn check(path: &Path, metadata: &fs::Metadata) -> Result<(), PolicyError> {
    if metadata.uid() != 0 {
        return Err(PolicyError::Owner(path.to_owned()));
    }
    let sticky = metadata.is_dir() && metadata.mode() & STICKY != 0;
    if metadata.mode() & 0o022 != 0 && !sticky {
        return Err(PolicyError::Writable(path.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use gangplank_proto::scan::Scanner;

    use super::*;
    use crate::helper::Name;
    use crate::packages::Mode;

    fn tool(name: &str) -> Verb {
        Verb::Tool { name: Name::new(name).unwrap(), args: BTreeMap::new() }
    }

    #[test]
    fn everything_is_off_until_it_is_switched_on() {
        let policy = Policy::parse("user = \"root\"").unwrap();
        for verb in [
            Verb::Scan { scanner: Scanner::Openscap, profile: None },
            Verb::Packages { mode: Mode::DryRun },
            tool("df"),
        ] {
            assert!(matches!(policy.check(&verb), Err(Refusal::Off { .. })), "{verb:?}");
        }
        let pty = |user| {
            let term = Name::new("xterm").unwrap();
            Verb::Pty { user: Name::new(user).unwrap(), term, cols: 80, rows: 24 }
        };
        assert_eq!(policy.check(&pty("root")), Err(Refusal::User));
        let policy = Policy::parse("user = \"root\"\n[policy]\nusers = [\"ada\"]").unwrap();
        policy.check(&pty("ada")).unwrap();
        assert_eq!(policy.check(&pty("root")), Err(Refusal::User));
    }

    #[test]
    fn tools_are_root_s_on_purpose() {
        let listed = |policy: &str, root: &str| {
            format!("user = \"0\"\n{policy}\n[tools.df]\ncommand = \"/usr/bin/df\"\n{root}")
        };
        let off = Policy::parse(&listed("", "root = true")).unwrap();
        assert!(matches!(off.check(&tool("df")), Err(Refusal::Off { key: "tools", .. })));
        let on = "[policy]\ntools = true";
        let policy = Policy::parse(&listed(on, "root = true")).unwrap();
        policy.check(&tool("df")).unwrap();
        assert_eq!(policy.check(&tool("du")), Err(Refusal::NoTool));
        let error = Policy::parse(&listed(on, "")).unwrap_err();
        assert!(error.contains("tools.df.root"), "{error}");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in [
            "scan = true",
            "[policy]\nscna = true",
            "[policy]\nscan = \"yes\"",
            "user = \"no one\"",
        ] {
            assert!(Policy::parse(wrong).is_err(), "{wrong}");
        }
    }
}
