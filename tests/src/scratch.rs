//! What a test leaves on the machine, and its removal.
//!
//! Removal must happen even when the test process is killed, so it is done by a shell that waits
//! for the end of that process: the other end of its standard input is held open here and nowhere
//! else.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::Mutex,
};

/// Ends of pipes that close with this process.
static HELD: Mutex<Vec<ChildStdin>> = Mutex::new(Vec::new());

/// Runs a shell command when this process is gone, however it ends. The shell is in a process group
/// of its own: a Ctrl-C that ends the tests must not end it.
#[expect(clippy::zombie_processes, reason = "the shell outlives this process")]
pub fn at_exit(command: &str) {
    let mut shell = Command::new("sh")
        .arg("-c")
        .arg(format!("cat >/dev/null; {command}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("sh starts");
    let stdin = shell.stdin.take().expect("a piped stdin");
    HELD.lock().expect("no panic while held").push(stdin);
}

/// A new directory that only this user can enter, removed when the process ends.
///
/// It lies in the system's temporary directory: paths of Unix sockets are limited to 108 bytes.
pub fn directory() -> PathBuf {
    let path = tempfile::Builder::new()
        .prefix("gangplank-test-")
        .tempdir()
        .expect("a temporary directory")
        .keep();
    let quoted = path.display();
    at_exit(&format!("for n in 1 2 3 4 5; do rm -rf '{quoted}' && break; sleep 0.2; done"));
    path
}

/// A new directory that other users may enter and read.
pub fn shared_directory() -> PathBuf {
    let path = directory();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own directory");
    path
}

/// Writes a file that only this user can read.
pub fn secret_file(path: &Path, text: &str) {
    fs::write(path, text).expect("a writable directory");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("our own file");
}
