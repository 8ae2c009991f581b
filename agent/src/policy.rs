//! What may be done to this host, as its own configuration file says. The daemon is told, but it
//! has no way to change it: every check here happens on the host, for every single request.

mod target;
mod tool;

use std::fmt;
use std::path::{Path, PathBuf};

use gangplank_proto::fact::PolicyFacts;
use gangplank_proto::link::Open;

pub use target::{Target, TargetError};
pub use tool::{Pattern, Tool, ToolRefusal};

/// The section `[policy]`, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// SSH connections, and the plain streams that carry them, to [`Self::targets`].
    pub ssh: bool,
    /// Shells on this host by the agent itself.
    pub pty: bool,
    /// Where SSH may go.
    pub targets: Vec<Target>,
    /// Users who may have a PTY; when absent, the agent's own user unless that is root.
    pub users: Option<Vec<String>>,
    /// Diagnostic tools may be run.
    pub tools: bool,
    /// Compliance scans may be run.
    pub scan: bool,
    /// Files of SCAP content that may be scanned by, beside what packages and this program have.
    pub scan_content: Vec<PathBuf>,
    /// The agent may replace its own program by a signed one.
    pub update: bool,
    /// Packages may be reported and updated.
    pub packages: bool,
    /// The socket of the container engine, when containers may be shown.
    pub docker: Option<PathBuf>,
}

/// A user of this host, as far as the policy cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Whether it is the superuser.
    pub root: bool,
    /// Whether there is a helper, which can start the shells of others.
    pub helped: bool,
}

impl Account {
    /// The same, with or without a helper on `socket`, as it is now.
    #[must_use]
    pub fn helped_by(&self, socket: &Path) -> Self {
        Self { helped: socket.exists(), ..self.clone() }
    }

    /// Whether it can have the shell of a user.
    fn can_become(&self, user: &str) -> bool {
        self.root || self.helped || user == self.name
    }
}

/// What the policy refuses, for the person who asked. It names the key to change and no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A kind of terminal that is switched off.
    #[error("this host does not allow {what}; its owner can add \"{word}\" to policy.terminal")]
    Kind {
        /// For people.
        what: &'static str,
        /// The word in the list.
        word: &'static str,
    },
    /// A target that is not listed.
    #[error("this host does not allow {target}; its policy.targets has {allowed}")]
    Target {
        /// What was asked for.
        target: String,
        /// What is allowed.
        allowed: List,
    },
    /// A user who is not listed.
    #[error("this host does not allow a PTY as {user}; its policy.users has {allowed}")]
    User {
        /// What was asked for.
        user: String,
        /// What is allowed.
        allowed: List,
    },
    /// Addresses in place of those that this host finds for a target.
    #[error("this host looks up the addresses of its targets itself")]
    Addresses,
    /// Another user, while the agent isn't root and has no helper.
    #[error("the agent of this host runs as {own} and has no helper to open a PTY as {user}")]
    OtherUser {
        /// What was asked for.
        user: String,
        /// The agent's own user.
        own: String,
    },
}

/// Words for people: comma separated, or `nothing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List(Vec<String>);

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("nothing") } else { f.write_str(&self.0.join(", ")) }
    }
}

impl Default for Policy {
    /// SSH to this host's own sshd, and nothing else.
    fn default() -> Self {
        Self {
            ssh: true,
            pty: false,
            targets: vec![Target::own_sshd()],
            users: None,
            tools: false,
            scan: false,
            scan_content: Vec::new(),
            update: false,
            packages: false,
            docker: None,
        }
    }
}

impl Policy {
    /// Checks a request to open something, by the agent running as `own`.
    ///
    /// # Errors
    /// [`Refusal`] with a text for the person who asked.
    pub fn check(&self, open: &Open, own: &Account) -> Result<(), Refusal> {
        match open {
            // A name would mean what the server says, not what this host finds.
            Open::Ssh { addresses: Some(_), .. } => Err(Refusal::Addresses),
            Open::Ssh { host, port, .. } | Open::DirectTcpip { host, port } => {
                self.check_target(host, *port)
            }
            Open::Pty { username, .. } => {
                self.check_user(username.as_deref().unwrap_or(&own.name), own)
            }
        }
    }

    fn check_target(&self, host: &str, port: u16) -> Result<(), Refusal> {
        if !self.ssh {
            return Err(Refusal::Kind { what: "SSH through its agent", word: "ssh" });
        }
        if self.targets.iter().any(|target| target.covers(host, port)) {
            return Ok(());
        }
        let target = if host.contains(':') {
            format!("[{}]:{port}", host.escape_debug())
        } else {
            format!("{}:{port}", host.escape_debug())
        };
        let allowed = List(self.targets.iter().map(ToString::to_string).collect());
        Err(Refusal::Target { target, allowed })
    }

    fn check_user(&self, user: &str, own: &Account) -> Result<(), Refusal> {
        if !self.pty {
            return Err(Refusal::Kind { what: "a PTY of its agent", word: "pty" });
        }
        let shown = || user.escape_debug().to_string();
        let allowed = self.pty_users(own);
        if !allowed.iter().any(|name| name == user) {
            return Err(Refusal::User { user: shown(), allowed: List(allowed) });
        }
        if !own.can_become(user) {
            return Err(Refusal::OtherUser { user: shown(), own: own.name.clone() });
        }
        Ok(())
    }

    /// Users for whom a PTY may be opened.
    #[must_use]
    pub fn pty_users(&self, own: &Account) -> Vec<String> {
        match &self.users {
            Some(users) => users.clone(),
            None if own.root => Vec::new(),
            None => vec![own.name.clone()],
        }
    }

    /// The policy as the daemon is told, so that people are offered only what will work.
    #[must_use]
    pub fn facts(&self, own: &Account) -> PolicyFacts {
        let mut terminal = Vec::new();
        if self.ssh {
            terminal.push("ssh".into());
        }
        if self.pty {
            terminal.push("pty".into());
        }
        let possible = |name: &String| own.can_become(name);
        PolicyFacts {
            terminal,
            targets: self.targets.iter().map(|target| target.to_string().into()).collect(),
            users: self
                .pty_users(own)
                .into_iter()
                .filter(possible)
                .filter(|_| self.pty)
                .map(Into::into)
                .collect(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use gangplank_proto::link::{Credential, PtyRequest, Size, Trust};

    use super::*;

    fn account(name: &str) -> Account {
        Account { name: name.to_owned(), root: name == "root", helped: false }
    }

    fn tcp(host: &str, port: u16) -> Open {
        Open::DirectTcpip { host: host.to_owned(), port }
    }

    fn pty(username: Option<&str>) -> Open {
        let pty = PtyRequest { term: "xterm".to_owned(), size: Size::DEFAULT };
        Open::Pty { username: username.map(ToOwned::to_owned), pty }
    }

    #[test]
    fn the_default_allows_ssh_to_this_host_and_nothing_else() {
        let policy = Policy::default();
        let ada = account("ada");
        policy.check(&tcp("localhost", 22), &ada).unwrap();
        for (host, port) in [("localhost", 23), ("127.0.0.1", 22), ("::1", 22), ("relay", 22)] {
            let refused = policy.check(&tcp(host, port), &ada).unwrap_err();
            assert!(refused.to_string().contains("policy.targets has localhost:22"), "{refused}");
        }
        assert!(matches!(policy.check(&pty(None), &ada), Err(Refusal::Kind { word: "pty", .. })));
    }

    #[test]
    fn where_a_target_is_found_is_not_for_the_server_to_say() {
        let mut open = Open::Ssh {
            host: "localhost".to_owned(),
            port: 22,
            addresses: None,
            username: "ada".to_owned(),
            trust: Trust::default(),
            credential: Credential::default(),
            pty: PtyRequest { term: "xterm".to_owned(), size: Size::DEFAULT },
        };
        let ada = account("ada");
        Policy::default().check(&open, &ada).unwrap();
        if let Open::Ssh { addresses, .. } = &mut open {
            *addresses = Some(vec!["192.0.2.1".parse().unwrap()]);
        }
        assert_eq!(Policy::default().check(&open, &ada), Err(Refusal::Addresses));
    }

    #[test]
    fn without_ssh_no_target_is_open() {
        let policy = Policy { ssh: false, ..Policy::default() };
        let refused = policy.check(&tcp("localhost", 22), &account("ada")).unwrap_err();
        assert!(matches!(refused, Refusal::Kind { word: "ssh", .. }));
    }

    #[test]
    fn a_pty_is_for_the_own_user_unless_the_file_says_more() {
        let open = Policy { pty: true, ..Policy::default() };
        let (ada, root) = (account("ada"), account("root"));
        open.check(&pty(None), &ada).unwrap();
        open.check(&pty(Some("ada")), &ada).unwrap();
        assert!(matches!(open.check(&pty(Some("bob")), &ada), Err(Refusal::User { .. })));
        // An agent that is root gives nobody a shell, not even root, before somebody is listed.
        assert!(matches!(open.check(&pty(None), &root), Err(Refusal::User { .. })));

        let listed = Policy { users: Some(vec!["bob".to_owned()]), ..open };
        listed.check(&pty(Some("bob")), &root).unwrap();
        assert!(matches!(listed.check(&pty(Some("root")), &root), Err(Refusal::User { .. })));
        assert!(matches!(listed.check(&pty(Some("bob")), &ada), Err(Refusal::OtherUser { .. })));
        assert!(matches!(listed.check(&pty(None), &ada), Err(Refusal::User { .. })));
        // A helper has a file of its own, but so has the agent.
        let helped = Account { helped: true, ..ada };
        listed.check(&pty(Some("bob")), &helped).unwrap();
        assert!(matches!(listed.check(&pty(Some("root")), &helped), Err(Refusal::User { .. })));
    }

    #[test]
    fn people_are_offered_what_will_work() {
        let users = Some(vec!["ada".to_owned(), "bob".to_owned()]);
        let policy = Policy { pty: true, users, ..Policy::default() };
        let names = |own: &str| {
            let facts = policy.facts(&account(own));
            facts.users.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("ada"), ["ada"]);
        assert_eq!(names("root"), ["ada", "bob"]);
        assert!(Policy::default().facts(&account("ada")).users.is_empty());
    }

    #[test]
    fn a_refusal_shows_no_control_characters() {
        let refused = Policy::default().check(&tcp("a\u{1b}[2J\r\n", 22), &account("ada"));
        assert!(!refused.unwrap_err().to_string().chars().any(char::is_control));
    }
}
