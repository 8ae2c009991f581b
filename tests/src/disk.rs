//! A small disk that can be filled up and emptied again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{process, program, scratch};

/// A file system of a few megabytes, taken back when the test process ends. Needs root.
#[derive(Debug)]
pub struct Disk {
    mount: PathBuf,
}

impl Disk {
    /// Makes one of a size such as `24m`.
    ///
    /// # Panics
    /// When the kernel doesn't let us.
    pub fn of(size: &str) -> Self {
        let mount = scratch::directory().join("small");
        fs::create_dir(&mount).expect("our own directory");
        scratch::at_exit(&format!("umount -l '{}'", mount.display()));
        let mut command = Command::new(program::installed("mount"));
        command.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&mount);
        process::succeed(&command);
        Self { mount }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.mount
    }

    fn filler(&self) -> PathBuf {
        self.mount.join("filler")
    }

    /// Leaves no byte free.
    ///
    /// # Panics
    /// When there is room still.
    pub fn fill(&self) {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("cat /dev/zero > '{}'", self.filler().display()));
        assert_ne!(process::run(&command).code, Some(0), "the disk must be full");
    }

    /// Gives back what [`Disk::fill`] took.
    ///
    /// # Panics
    /// When it was not filled.
    pub fn free(&self) {
        fs::remove_file(self.filler()).expect("our own file");
    }
}
