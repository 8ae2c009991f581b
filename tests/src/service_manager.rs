//! A real service manager in a root directory, a cgroup and namespaces of its own. It sees nothing of
//! this machine but `/usr`, which it can't write, and the network.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    eventually::eventually,
    process::{self, Finished, Process},
    program, scratch,
};

/// Puts the root directory together and becomes the service manager.
const SCRIPT: &str = include_str!("../../agent/tests/helper/manager.sh");

/// What every root directory has.
const ETC: &[(&str, &str)] = &[
    (
        "passwd",
        "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n\
         gangplank-agent:x:990:990::/:/usr/sbin/nologin\n",
    ),
    ("group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\ngangplank-agent:x:990:\n"),
    ("nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n"),
    ("hosts", "127.0.0.1 localhost\n"),
    ("machine-id", "0123456789abcdef0123456789abcdef\n"),
];

const TARGETS: [&str; 6] = [
    "sysinit.target",
    "basic.target",
    "shutdown.target",
    "umount.target",
    "network-online.target",
    "test.target",
];

/// A service manager that runs. It ends with this, and everything that it started with it.
#[derive(Debug)]
pub struct ServiceManager {
    process: Option<Process>,
    cgroup: PathBuf,
    /// Its first process, seen from outside.
    init: String,
}

impl ServiceManager {
    /// Starts one that has the agent's unit, its directories, and the agent in `/gangplank`.
    pub fn start() -> Self {
        let directory = scratch::directory();
        let given = directory.join("given");
        let write = |name: &str, text: &str| {
            let path = given.join(name);
            fs::create_dir_all(path.parent().expect("a directory")).expect("our own directory");
            fs::write(path, text).expect("our own directory");
        };
        ETC.iter().for_each(|(name, text)| write(&format!("etc/{name}"), text));
        let unit = |text: &str| text.replacen("[Unit]", "[Unit]\nDefaultDependencies=no", 1);
        TARGETS.iter().for_each(|name| write(&format!("units/{name}"), &unit("[Unit]\n")));
        let shipped =
            |name: &str| fs::read_to_string(program::source("systemd").join(name)).expect("a file");
        let service = shipped("gangplank-agent.service");
        let service = service.replace("/usr/bin/gangplank-agent", "/gangplank/gangplank-agent");
        write("units/gangplank-agent.service", &unit(&service));
        write("etc/tmpfiles.d/agent.conf", &shipped("tmpfiles.d/gangplank-agent.conf"));
        fs::create_dir(directory.join("root")).expect("our own directory");
        fs::write(directory.join("manager.sh"), SCRIPT).expect("our own directory");

        let cgroup = own_cgroup().join(directory.file_name().expect("a name"));
        fs::create_dir(&cgroup).expect("a cgroup of our own");
        // First into the cgroup, then into the namespace that has it as its root.
        let script = "echo $$ > \"$0\"/cgroup.procs && exec unshare --mount --pid --fork --ipc --uts \
                      --cgroup --kill-child \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(&cgroup).arg("sh").arg(directory.join("manager.sh"));
        command.arg(directory.join("root")).arg(&given).arg(program::gangplank_agent());
        let process = Process::start("systemd", &command);
        let children = format!("/proc/{0}/task/{0}/children", process.pid());
        let init = eventually("a service manager", || {
            assert!(process.exit_status().is_none(), "no service manager:\n{}", process.log());
            let init = fs::read_to_string(&children).unwrap_or_default().trim().to_owned();
            let socket = Path::new("/proc").join(&init).join("root/run/systemd/private");
            (!init.is_empty() && socket.exists()).then_some(init)
        });
        let manager = Self { process: Some(process), cgroup, init };
        let made = manager.run(&["systemd-tmpfiles", "--create", "/etc/tmpfiles.d/agent.conf"]);
        assert_eq!(made.code, Some(0), "{made:?}");
        manager
    }

    /// Its root directory, seen from outside.
    pub fn root(&self) -> PathBuf {
        Path::new("/proc").join(&self.init).join("root")
    }

    /// Runs a program beside it.
    pub fn run(&self, words: &[&str]) -> Finished {
        self.run_with_input(words, "")
    }

    /// As [`ServiceManager::run`], with `input` on its standard input.
    pub fn run_with_input(&self, words: &[&str], input: &str) -> Finished {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init, "--pid", "--mount", "--uts", "--ipc", "--cgroup"]);
        command.args(["--root", "--wd"]).args(words);
        process::run_with_input(&command, input)
    }

    /// A property of the agent's service.
    pub fn agent(&self, property: &str) -> String {
        let property = format!("--property={property}");
        let shown =
            self.run(&["systemctl", "show", "--value", &property, "gangplank-agent.service"]);
        shown.stdout.trim().to_owned()
    }
}

impl Drop for ServiceManager {
    fn drop(&mut self) {
        // With its first process all others of its namespace end.
        self.process = None;
        let mut left = vec![self.cgroup.clone()];
        let mut found = Vec::new();
        while let Some(directory) = left.pop() {
            let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
            left.extend(entries.map(|entry| entry.path()).filter(|path| path.is_dir()));
            found.push(directory);
        }
        for directory in found.iter().rev() {
            eventually("an empty cgroup", || fs::remove_dir(directory).is_ok().then_some(()));
        }
    }
}

/// The directory of this process' own cgroup (version 2).
fn own_cgroup() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 ")).expect("cgroups");
    let mount = mount.split(' ').nth(4).expect("a mount point");
    let own = fs::read_to_string("/proc/self/cgroup").expect("a cgroup");
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).expect("a cgroup");
    Path::new(mount).join(own.trim_start_matches('/'))
}
