//! The agent's helper, started by hand as root: there is no service manager where tests run.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use toml::Table;

use crate::{eventually::eventually, process::Process, program, scratch};

/// A helper that listens, and the tools that its policy lists.
#[derive(Debug)]
pub struct Helper {
    directory: PathBuf,
    process: Mutex<Process>,
}

impl Helper {
    /// Starts one that serves `user` and allows what `policy` switches on. Its tools are `whoami`,
    /// which says by whom it is run, and `stay`, which prints the id of a process that doesn't end
    /// when it is told to.
    ///
    /// # Panics
    /// When it doesn't listen.
    pub fn start(user: &str, policy: &str) -> Self {
        let directory = scratch::shared_directory();
        let stay = directory.join("stay");
        let script = "#!/bin/sh\ntrap '' TERM\nsh -c 'trap \"\" TERM; echo $$; exec sleep 600'\n";
        fs::write(&stay, script).expect("our own directory");
        fs::set_permissions(&stay, Permissions::from_mode(0o755)).expect("our own file");
        let text = format!(
            "user = {user:?}\n[policy]\n{policy}\n\
             [tools.whoami]\nroot = true\ncommand = \"/usr/bin/id\"\nargs = [\"-un\"]\n\
             [tools.stay]\nroot = true\ncommand = {stay:?}\n"
        );
        fs::write(directory.join("helper.toml"), text).expect("our own directory");
        let mut command = Command::new(program::gangplank_agent());
        command.arg("helper").arg("--policy").arg(directory.join("helper.toml"));
        command.arg("--listen").arg(directory.join("helper.sock"));
        let process = Mutex::new(Process::start("helper", &command));
        let helper = Self { directory, process };
        let listens = || UnixStream::connect(helper.socket()).ok();
        eventually("a helper that listens", listens);
        helper
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("helper.sock")
    }

    /// A directory that everybody may enter.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Names it in an agent's configuration, with the same tools, and has the agent allow all that a
    /// helper does.
    pub fn allow(&self, table: &mut Table) {
        let text = format!(
            "[helper]\nsocket = {:?}\n[policy]\nscan = true\npackages = true\ntools = true\n\
             [tools.whoami]\nroot = true\ncommand = \"/bin/echo\"\nargs = [\"not by the helper\"]\n\
             [tools.stay]\nroot = true\ncommand = \"/bin/false\"\n",
            self.socket(),
        );
        let more: Table = text.parse().expect("TOML");
        for (section, value) in more {
            match (table.get_mut(&section), value) {
                (Some(toml::Value::Table(there)), toml::Value::Table(more)) => there.extend(more),
                (_, value) => drop(table.insert(section, value)),
            }
        }
    }

    /// Kills it without warning.
    ///
    /// # Panics
    /// When a test has panicked while it killed it.
    pub fn kill(&self) {
        self.process.lock().expect("no panic while held").kill();
    }
}
