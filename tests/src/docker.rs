//! A real Docker engine of the test's own. It lies in namespaces that end with it, and so does
//! whatever it runs.

use std::{
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{eventually::eventually, process, process::Process, program, scratch};

/// A running engine.
#[derive(Debug)]
pub struct Docker {
    socket: PathBuf,
    _process: Process,
}

impl Default for Docker {
    fn default() -> Self {
        Self::start()
    }
}

impl Docker {
    /// Starts one with an image `gangplank-test:1`, which has nothing in it. Containers have no
    /// network.
    pub fn start() -> Self {
        let directory = scratch::directory();
        let socket = directory.join("docker.sock");
        let mut command = Command::new(program::installed("unshare"));
        command
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .arg(program::installed("dockerd"))
            .arg("--host")
            .arg(format!("unix://{}", socket.display()))
            .arg("--data-root")
            .arg(directory.join("data"))
            .arg("--exec-root")
            .arg(directory.join("run"))
            .arg("--pidfile")
            .arg(directory.join("pid"))
            .args(["--bridge", "none", "--iptables=false", "--ip6tables=false"])
            .args(["--storage-driver", "vfs"]);
        let process = Process::start("dockerd", &command);
        eventually("dockerd to accept", || UnixStream::connect(&socket).ok());
        let docker = Self { socket, _process: process };
        let image = directory.join("image.tar");
        process::succeed(Command::new("tar").arg("-cf").arg(&image).args(["-T", "/dev/null"]));
        docker.run(&["import", &image.display().to_string(), "gangplank-test:1"]);
        docker
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Runs its own client and returns what that printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(program::installed("docker"));
        command.arg("--host").arg(format!("unix://{}", self.socket.display())).args(arguments);
        process::succeed(&command)
    }

    /// Starts a container that sleeps, with this machine's programs, and returns its id.
    pub fn sleeper(&self, name: &str) -> String {
        let shared =
            ["/bin", "/lib", "/lib64", "/usr"].into_iter().filter(|d| Path::new(d).is_dir());
        let shared: Vec<String> = shared.map(|d| format!("--volume={d}:{d}:ro")).collect();
        let mut arguments = vec!["run", "--detach", "--name", name, "--network", "none"];
        arguments.extend(shared.iter().map(String::as_str));
        arguments.extend(["gangplank-test:1", "/bin/sleep", "600"]);
        self.run(&arguments).trim().to_owned()
    }
}
