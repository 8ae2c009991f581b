//! A real OpenSSH server on a loopback address, with keys and a configuration of its own.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    time::Duration,
};

use crate::{
    account::{Account, random},
    eventually::eventually,
    process::{self, Process},
    program, scratch,
};

/// An sshd and the one user that it lets in.
#[derive(Debug)]
pub struct Sshd {
    directory: PathBuf,
    port: u16,
    account: Account,
    process: Mutex<Process>,
    /// Logs of the servers that ran before.
    before: Mutex<String>,
}

impl Sshd {
    /// Starts a server that takes the account's password and its key.
    pub fn start() -> Self {
        Self::with("PasswordAuthentication yes\nKbdInteractiveAuthentication no\nUsePAM no\n")
    }

    /// Starts a server that asks for the password by keyboard-interactive, and takes no other way.
    pub fn keyboard_interactive() -> Self {
        Self::with(
            "PasswordAuthentication no\nPubkeyAuthentication no\n\
             KbdInteractiveAuthentication yes\nUsePAM yes\n",
        )
    }

    fn with(options: &str) -> Self {
        let account = Account::create();
        let directory = scratch::shared_directory();
        // Not part of every installation's boot: sshd refuses to start without it.
        fs::create_dir_all("/run/sshd").expect("root may make /run/sshd");
        for name in ["host_ed25519", "host_rsa", "other_ed25519", "user_ed25519"] {
            let kind = name.split_once('_').map_or("ed25519", |(_, kind)| kind);
            keygen(&directory.join(name), kind, "");
        }
        keygen(&directory.join("user_locked"), "ed25519", PASSPHRASE);
        keygen(&directory.join("user_rsa"), "rsa", "");
        let mut authorized = String::new();
        for name in ["user_ed25519.pub", "user_locked.pub", "user_rsa.pub"] {
            authorized.push_str(&fs::read_to_string(directory.join(name)).expect("a new key"));
        }
        let authorized_keys = directory.join("authorized_keys");
        fs::write(&authorized_keys, authorized).expect("our own directory");
        fs::set_permissions(&authorized_keys, fs::Permissions::from_mode(0o644)).expect("ours");
        let port = free_port();
        write_config(&directory, port, &account, options);
        let process = run(&directory, port, "host");
        Self { directory, port, account, process: Mutex::new(process), before: Mutex::default() }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:PORT`.
    pub fn target(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The user that may log in.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The user's private key, without a passphrase.
    pub fn key(&self) -> String {
        self.private("user_ed25519")
    }

    /// The user's RSA key, without a passphrase.
    pub fn rsa_key(&self) -> String {
        self.private("user_rsa")
    }

    /// Another private key of the user, and its passphrase.
    pub fn locked_key(&self) -> (String, &'static str) {
        (self.private("user_locked"), PASSPHRASE)
    }

    fn private(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).expect("a key that was made")
    }

    /// The public host keys, one OpenSSH line each.
    pub fn host_keys(&self) -> Vec<String> {
        ["host_ed25519.pub", "host_rsa.pub"].map(|name| self.private(name)).to_vec()
    }

    /// Directory with the server's keys, `host_ed25519.pub` and `host_rsa.pub` among them.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Fingerprints (`SHA256:…`) of the host keys.
    pub fn fingerprints(&self) -> Vec<String> {
        ["host_ed25519.pub", "host_rsa.pub"]
            .map(|name| {
                let printed = process::succeed(
                    Command::new(program::installed("ssh-keygen"))
                        .args(["-l", "-E", "sha256", "-f"])
                        .arg(self.directory.join(name)),
                );
                printed.split_whitespace().nth(1).expect("bits, then fingerprint").to_owned()
            })
            .to_vec()
    }

    /// Everything that it and the servers before it logged.
    pub fn log(&self) -> String {
        let now = self.process.lock().expect("no panic while held").log();
        self.before.lock().expect("no panic while held").clone() + &now
    }

    /// Comes back at the same port with another host key, as a machine in the middle would.
    pub fn change_host_key(&self) {
        let mut process = self.process.lock().expect("no panic while held");
        process.kill();
        self.before.lock().expect("no panic while held").push_str(&process.log());
        *process = run(&self.directory, self.port, "other");
    }

    /// Stops listening.
    pub fn stop(&self) {
        self.process.lock().expect("no panic while held").kill();
    }
}

/// Passphrase of the locked key.
const PASSPHRASE: &str = "CANARY-passphrase-5f2c81";

fn keygen(path: &Path, kind: &str, passphrase: &str) {
    let mut command = Command::new(program::installed("ssh-keygen"));
    command.args(["-q", "-t", kind, "-C", "", "-N", passphrase, "-f"]).arg(path);
    if kind == "rsa" {
        command.args(["-b", "2048"]);
    }
    process::succeed(&command);
}

fn write_config(directory: &Path, port: u16, account: &Account, options: &str) {
    let text = format!(
        "Port {port}\nListenAddress 127.0.0.1\nPidFile none\nStrictModes no\nLogLevel VERBOSE\n\
         AuthorizedKeysFile {directory}/authorized_keys\nAllowUsers {user}\nPrintMotd no\n\
         PrintLastLog no\nUseDNS no\nMaxAuthTries 20\nMaxStartups 100\nLoginGraceTime 60\n\
         {options}",
        directory = directory.display(),
        user = account.name,
    );
    // The host keys come first in each server's own file.
    for (name, keys) in [("host", "host_ed25519 host_rsa"), ("other", "other_ed25519")] {
        let mut config = String::new();
        for key in keys.split(' ') {
            config.push_str(&format!("HostKey {}\n", directory.join(key).display()));
        }
        config.push_str(&text);
        fs::write(directory.join(format!("sshd_{name}.conf")), config).expect("our own directory");
    }
}

fn run(directory: &Path, port: u16, name: &str) -> Process {
    let mut command = Command::new(program::installed("sshd"));
    command.args(["-D", "-e", "-f"]).arg(directory.join(format!("sshd_{name}.conf")));
    let process = Process::start("sshd", &command);
    process.line(Duration::from_secs(10), "its port", |line| line.starts_with("Server listening"));
    eventually("sshd to accept", || {
        TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok()
    });
    process
}

/// A port that was free a moment ago, and that the kernel gives to nobody by itself: below the range
/// that it takes ports from for those who ask for any.
pub fn free_port() -> u16 {
    loop {
        let port = 10_000 + u16::from_be_bytes(random::<2>()) % 20_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
