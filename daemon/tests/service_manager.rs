//! The service manager as the daemon meets it, and the drop-in as it reads it.
//! Needs the package `systemd`, which need not be running.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use gangplank_daemon::listener::Inherited;
use gangplank_daemon::notify;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd")
}

/// A root directory with our units among those of this system, and something to execute.
fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let system = root.path().join("usr/lib/systemd/system");
    std::fs::create_dir_all(&system).unwrap();
    std::fs::create_dir_all(root.path().join("usr/bin")).unwrap();
    let theirs = Path::new("/usr/lib/systemd/system");
    for entry in std::fs::read_dir(theirs).expect("the package `systemd`").flatten() {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), system.join(entry.file_name())).unwrap();
        }
    }
    for entry in std::fs::read_dir(units()).unwrap().flatten() {
        let name = entry.file_name();
        if Path::new(&name).extension().is_some_and(|ext| ext == "service" || ext == "socket") {
            std::fs::copy(entry.path(), system.join(name)).unwrap();
        }
    }
    for program in ["gangplankd", "gangplank-agent", "kill"] {
        let path = root.path().join("usr/bin").join(program);
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    root
}

#[test]
fn the_drop_in_for_shells_is_clean() {
    let root = root();
    let dir = root.path().join("etc/systemd/system/gangplank-agent.service.d");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::copy(units().join("gangplank-agent-pty.conf"), dir.join("pty.conf")).unwrap();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(format!("--root={}", root.path().display()))
        .arg("gangplank-agent.service")
        .output()
        .expect("systemd-analyze, of the package `systemd`");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.is_empty(), "{text}");
}

/// Runs twice: first beside the service manager, which starts it again as the service.
#[test]
fn a_service_finds_its_sockets_and_says_that_it_is_ready() {
    if std::env::var_os("LISTEN_FDS").is_some() {
        return service();
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let notified = UnixDatagram::bind(&path).unwrap();
    notified.set_read_timeout(Some(PATIENCE)).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = free.local_addr().unwrap();
    drop(free);
    let manager = Command::new("systemd-socket-activate")
        .arg(format!("--listen={addr}"))
        .arg("--fdname=tls")
        .arg(format!("--setenv=NOTIFY_SOCKET={}", path.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_service_finds_its_sockets_and_says_that_it_is_ready", "--nocapture"])
        .spawn()
        .expect("systemd-socket-activate, of the package `systemd`");
    let _manager = Ended(manager);
    let start = Instant::now();
    let mut stream = loop {
        match TcpStream::connect(addr) {
            Ok(stream) => break stream,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let said = || {
        let mut bytes = [0; 256];
        let len = notified.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..len].to_vec()).unwrap()
    };
    assert_eq!(said(), "READY=1\nSTATUS=up\n");
    let reloading = said();
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&reloading);
    assert!(time.trim_end().parse::<u64>().unwrap() > 0, "{reloading}");
    assert_eq!(said(), "STOPPING=1\nSTATUS=stopping\n");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "served");
}

fn service() {
    let mut inherited = Inherited::from_env().unwrap();
    let sockets = inherited.take("tls");
    assert_eq!(inherited.names().count(), 0);
    notify::ready("up");
    notify::reloading();
    notify::stopping();
    let (mut stream, _) = sockets[0].accept().unwrap();
    stream.write_all(b"served").unwrap();
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It has ended by itself where all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
