//! A real service manager for the helper, in a root directory, a cgroup and namespaces of its own: it
//! sees nothing of the machine that the tests run on but `/usr`, and that read-only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::asker::SOON;

/// What there is to start, beside the helper's own unit.
const UNITS: &[(&str, &str)] = &[
    ("sysinit.target", ""),
    ("basic.target", ""),
    ("shutdown.target", ""),
    ("umount.target", ""),
    ("test.target", "Requires=dbus.socket dbus.service gangplank-agent-helper.socket\n"),
    ("dbus.socket", "[Socket]\nListenStream=/run/dbus/system_bus_socket\n"),
    (
        "dbus.service",
        "Requires=dbus.socket\n[Service]\nType=notify\nExecStart=/usr/bin/dbus-daemon --system \
         --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only\n",
    ),
];

const ETC: &[(&str, &str)] = &[
    (
        "passwd",
        "root:x:0:0::/root:/bin/sh\nmessagebus:x:100:100::/:/bin/false\n\
         nobody:x:65534:65534::/:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n",
    ),
    ("group", "root:x:0:\nmessagebus:x:100:\ntty:x:5:\nnogroup:x:65534:\nada:x:1000:\n"),
    ("shadow", "root:*:1::::::\nada:*:1::::::\n"),
    ("nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\n"),
    ("machine-id", "0123456789abcdef0123456789abcdef\n"),
    (
        "pam.d/login",
        "auth required pam_permit.so\naccount required pam_permit.so\n\
         session required pam_permit.so\n",
    ),
    (
        "gangplank/helper.toml",
        "user = \"root\"\n[policy]\nscan = true\npackages = true\ntools = true\n\
         users = [\"ada\", \"nobody\", \"ghost\"]\n\
         [tools.whoami]\nroot = true\ncommand = \"/usr/bin/id\"\nargs = [\"-un\"]\n\
         [tools.stay]\nroot = true\ncommand = \"/bin/sh\"\n\
         args = [\"-c\", \"trap '' TERM; echo here; while :; do sleep 1; done\"]\n",
    ),
];

/// A service manager that runs. It ends with the test, and everything that it started with it.
pub(crate) struct Manager {
    /// Gone when it is.
    _directory: tempfile::TempDir,
    cgroup: PathBuf,
    child: Child,
    /// Its first process, seen from outside.
    init: String,
}

impl Manager {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let given = directory.path().join("given");
        write(&given.join("units"), UNITS, "[Unit]\nDefaultDependencies=no\n");
        write(&given.join("etc"), ETC, "");
        for unit in ["gangplank-agent-helper.service", "gangplank-agent-helper.socket"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd").join(unit);
            let text = fs::read_to_string(path).unwrap();
            let text = text
                .replace("/usr/bin/gangplank-agent", "/gangplank/gangplank-agent")
                .replace("SocketGroup=gangplank-agent", "SocketGroup=root");
            fs::write(given.join("units").join(unit), text).unwrap();
        }
        fs::create_dir(directory.path().join("root")).unwrap();
        fs::write(directory.path().join("manager.sh"), include_str!("manager.sh")).unwrap();
        let cgroup = own_cgroup().join(directory.path().file_name().unwrap());
        fs::create_dir(&cgroup).unwrap();
        let child = start(directory.path(), &cgroup);
        let mut manager = Self { _directory: directory, cgroup, child, init: String::new() };
        manager.up().await;
        manager
    }

    /// Waits until it listens for the helper.
    async fn up(&mut self) {
        let pid = self.child.id().unwrap();
        let children = format!("/proc/{pid}/task/{pid}/children");
        let up = async {
            loop {
                let init = fs::read_to_string(&children).unwrap_or_default();
                init.trim().clone_into(&mut self.init);
                if !self.init.is_empty() && self.socket().exists() {
                    return;
                }
                let ended = self.child.try_wait().unwrap();
                assert!(ended.is_none(), "no service manager: {ended:?}");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        timeout(SOON, up).await.unwrap();
    }

    /// The helper's socket, seen from outside.
    pub(crate) fn socket(&self) -> PathBuf {
        let root = Path::new("/proc").join(&self.init).join("root");
        root.join("run/gangplank-agent/helper.sock")
    }

    /// Runs a program beside the service manager.
    pub(crate) async fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init, "--pid", "--mount", "--uts", "--ipc", "--net"]);
        command.args(["--cgroup", "--root", "--wd"]).args(words).stdin(Stdio::null());
        timeout(SOON, command.output()).await.unwrap().unwrap()
    }

    /// The units of work that there are.
    pub(crate) async fn work(&self) -> Vec<String> {
        let words = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager"];
        let listed = self.run(&[&words[..], &["gangplank-*"]].concat()).await;
        let text = String::from_utf8(listed.stdout).unwrap();
        let names = text.lines().filter_map(|line| line.split_whitespace().next());
        let work = |name: &&str| name.ends_with(".service") && !name.contains("agent-helper");
        let names = names.filter(work);
        names.map(ToOwned::to_owned).collect()
    }

    /// Waits until no work is left.
    pub(crate) async fn idle(&self) {
        let idle = async {
            while !self.work().await.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        timeout(SOON, idle).await.unwrap();
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // With its first process all others of its namespace end.
        let _ = self.child.start_kill();
        let mut left = vec![self.cgroup.clone()];
        let mut found = Vec::new();
        while let Some(directory) = left.pop() {
            let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
            left.extend(entries.map(|entry| entry.path()).filter(|path| path.is_dir()));
            found.push(directory);
        }
        for directory in found.iter().rev() {
            for _ in 0..200 {
                if fs::remove_dir(directory).is_ok() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
    }
}

fn write(directory: &Path, files: &[(&str, &str)], before: &str) {
    for (name, text) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{before}{text}")).unwrap();
    }
}

/// The directory of this process' own cgroup (version 2).
fn own_cgroup() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 ")).unwrap();
    let mount = mount.split(' ').nth(4).unwrap();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap();
    Path::new(mount).join(own.trim_start_matches('/'))
}

fn start(directory: &Path, cgroup: &Path) -> Child {
    // First into the cgroup, then into the namespace that has it as its root.
    let script = "echo $$ > \"$0\"/cgroup.procs && exec unshare --mount --pid --fork --ipc --uts \
                  --net --cgroup --kill-child \"$@\"";
    let mut command = Command::new("setpriv");
    // Whoever starts it is waited for to its end by its death.
    command.args(["--pdeathsig", "KILL", "sh", "-c", script]).arg(cgroup);
    command.arg("sh").arg(directory.join("manager.sh"));
    command.arg(directory.join("root")).arg(directory.join("given"));
    command.arg(env!("CARGO_BIN_EXE_gangplank-agent"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}
