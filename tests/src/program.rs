//! Where the programs under test are.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The daemon: `gangplankd`.
pub fn gangplankd() -> PathBuf {
    ours("gangplankd")
}

/// The agent: `gangplank-agent`.
pub fn gangplank_agent() -> PathBuf {
    ours("gangplank-agent")
}

/// The relay that does nothing else, for the benchmarks.
pub fn bare_relay() -> PathBuf {
    ours("bare-relay")
}

/// A program of this workspace, from the directory that Cargo put this program's profile in.
fn ours(name: &str) -> PathBuf {
    let own = env::current_exe().expect("a running program has a path");
    // target/PROFILE/deps/TEST, or target/PROFILE/PROGRAM
    let mut profile = own.ancestors().skip(1).take(2);
    profile.find_map(|directory| Some(directory.join(name)).filter(|p| p.is_file())).unwrap_or_else(
        || {
            panic!(
                "{name} is not there: run `cargo build` first, or everything by `cargo xtask test`"
            )
        },
    )
}

/// A program of the system, wherever it lies.
///
/// # Panics
/// When it is missing: a test that can't run must not look like one that passed.
pub fn installed(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(system)
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed; `cargo xtask test` installs it"))
}

/// Directory of the sources, for the files that are shipped as they are.
pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
