//! A real OpenSSH server on a port of its own, with keys and configuration of its own.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gangplank_proto::error::HostKey;
use gangplank_proto::link::{Credential, Open, PtyRequest, Size, Trust};
use gangplank_proto::secret::Secret;
use gangplank_terminal::ssh::host_key::fingerprint;
use gangplank_terminal::ssh::key::UserKey;
use nix::unistd::{User, geteuid};
use tempfile::TempDir;

const SSHD: &str = "/usr/sbin/sshd";

/// A running server. It ends with this value.
pub(crate) struct Sshd {
    process: Child,
    dir: TempDir,
    pub(crate) port: u16,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Makes a key pair in `dir` and answers the path of the private half.
pub(crate) fn keygen(dir: &Path, name: &str, args: &[&str]) -> PathBuf {
    let path = dir.join(name);
    let made = Command::new("ssh-keygen").args(["-q", "-f"]).arg(&path).args(args).output();
    let made = made.expect("ssh-keygen is needed: apt-get install openssh-client");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    path
}

pub(crate) fn read_key(path: &Path, passphrase: Option<&str>) -> UserKey {
    let text = Secret::new(fs::read_to_string(path).unwrap());
    let passphrase = passphrase.map(|phrase| Secret::new(phrase.to_owned()));
    UserKey::parse(&text, passphrase.as_ref()).unwrap()
}

pub(crate) fn me() -> String {
    User::from_uid(geteuid()).unwrap().unwrap().name
}

pub(crate) fn pty_request() -> PtyRequest {
    PtyRequest { term: "xterm-256color".to_owned(), size: Size::new(97, 31).unwrap() }
}

impl Sshd {
    /// A server with one Ed25519 host key and `more` lines of configuration.
    pub(crate) fn start(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        keygen(dir.path(), "host_ed25519", &["-t", "ed25519", "-N", ""]);
        Self::start_in(dir, more)
    }

    /// A server with the host keys `host_*` of `dir`.
    pub(crate) fn start_in(dir: TempDir, more: &str) -> Self {
        assert!(
            Path::new(SSHD).exists(),
            "these tests need a real SSH server: apt-get install openssh-server"
        );
        if geteuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        fs::write(dir.path().join("authorized_keys"), "").unwrap();
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let mut process = Self::spawn(dir.path(), port, more);
            let deadline = Instant::now() + Duration::from_secs(10);
            while process.try_wait().unwrap().is_none() && Instant::now() < deadline {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { process, dir, port };
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = process.kill();
            let _ = process.wait();
        }
        let log = fs::read_to_string(dir.path().join("log")).unwrap_or_default();
        panic!("sshd did not start:\n{log}");
    }

    fn spawn(dir: &Path, port: u16, more: &str) -> Child {
        let mut config = format!(
            "ListenAddress 127.0.0.1:{port}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PermitRootLogin yes\nAuthorizedKeysFile {0}/authorized_keys\nLogLevel DEBUG1\n\
             KbdInteractiveAuthentication no\nPrintMotd no\nPrintLastLog no\n",
            dir.display()
        );
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("host_") && !name.ends_with(".pub") {
                config += &format!("HostKey {}\n", path.display());
            }
        }
        config += more;
        fs::write(dir.join("sshd_config"), config).unwrap();
        Command::new(SSHD)
            .arg("-D")
            .arg("-f")
            .arg(dir.join("sshd_config"))
            .arg("-E")
            .arg(dir.join("log"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// The host key of this name, as people see it.
    pub(crate) fn host_key(&self, name: &str) -> HostKey {
        let path = self.dir.path().join(format!("{name}.pub"));
        fingerprint(&fs::read_to_string(path).unwrap()).unwrap()
    }

    /// A new person's key that this server takes.
    pub(crate) fn authorize(&self, name: &str, args: &[&str], passphrase: Option<&str>) -> UserKey {
        let path = keygen(self.dir.path(), name, args);
        let line = fs::read_to_string(path.with_extension("pub")).unwrap();
        let authorized = self.dir.path().join("authorized_keys");
        let before = fs::read_to_string(&authorized).unwrap();
        fs::write(&authorized, before + &line).unwrap();
        read_key(&path, passphrase)
    }

    /// What opens a terminal here with `key`, knowing the server.
    pub(crate) fn open(&self, key: &UserKey) -> Open {
        let known = self.host_key("host_ed25519").line;
        self.open_trusting(key, Trust { keys: vec![known], accepted: None })
    }

    pub(crate) fn open_trusting(&self, key: &UserKey, trust: Trust) -> Open {
        Open::Ssh {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            addresses: None,
            username: me(),
            trust,
            credential: Credential {
                public_key: Some(key.public_line().unwrap()),
                ..Credential::default()
            },
            pty: pty_request(),
        }
    }
}

/// The usual key.
pub(crate) const ED25519: &[&str] = &["-t", "ed25519", "-N", ""];
