//! `cargo xtask test`: everything that can be tested, and one line at the end that says how it
//! went.

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    process::{ExitCode, Stdio},
    thread,
};

use anyhow::{Context as _, Result};

use crate::{
    Outcome,
    apt::{self, Need},
    cargo,
    console::{self, Count},
    node::Node,
    step,
};

/// What the tests run beside our own programs.
const NEEDS: &[Need] = &[
    Need { program: "cc", package: "gcc" },
    Need { program: "certutil", package: "libnss3-tools" },
    Need { program: "chpasswd", package: "passwd" },
    Need { program: "chromium", package: "chromium" },
    Need { program: "dash", package: "dash" },
    Need { program: "dbus-daemon", package: "dbus-daemon" },
    Need { program: "dockerd", package: "docker.io" },
    Need { program: "faketime", package: "faketime" },
    Need { program: "ip", package: "iproute2" },
    Need { program: "lynis", package: "lynis" },
    Need { program: "nginx", package: "nginx-light" },
    Need { program: "openssl", package: "openssl" },
    Need { program: "oscap", package: "openscap-scanner" },
    Need { program: "pg_dump", package: "postgresql" },
    Need { program: "prlimit", package: "util-linux" },
    Need { program: "redis-server", package: "redis-server" },
    Need { program: "ssh-keygen", package: "openssh-client" },
    Need { program: "sshd", package: "openssh-server" },
    Need { program: "systemd-analyze", package: "systemd" },
    Need { program: "vi", package: "vim-tiny" },
];

/// Installs what the tests run.
pub(crate) fn provide() -> Result<()> {
    apt::provide(NEEDS)
}

/// Runs the tests.
pub(crate) fn run(filter: Option<&str>) -> Outcome {
    provide()?;
    let node = Node::provide()?;
    step(&format!("Building programs and tests (Node {})", node.version()));
    cargo::build(&node, &["--workspace", "--all-targets"])?;
    step("Rust and end-to-end tests");
    let mut count = rust(&node, filter)?;
    if filter.is_none() {
        count = count.and(console::test(&node)?);
    }
    println!();
    println!("{} passed, {} failed", count.passed, count.failed);
    Ok(if count.failed == 0 && count.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs `cargo test`, showing and counting.
fn rust(node: &Node, filter: Option<&str>) -> Result<Count> {
    let mut command = cargo::command(node)?;
    command.args(["test", "--workspace", "--no-fail-fast"]).args(filter);
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().context("a piped stdout")?;
    let count = thread::spawn(move || follow(stdout)).join();
    let count = count.map_err(|_| anyhow::anyhow!("reading cargo's output failed"))??;
    let success = child.wait()?.success();
    // A test program that crashed, or didn't build, says no result.
    let unsaid = !success && count.failed == 0;
    Ok(Count { failed: count.failed + u64::from(unsaid), ..count })
}

/// Copies lines to the terminal and adds up what the result lines say.
fn follow(stdout: impl Read) -> Result<Count> {
    let mut count = Count::default();
    let mut reader = BufReader::new(stdout);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let mut terminal = std::io::stdout().lock();
        terminal.write_all(&line)?;
        terminal.flush()?;
        count = count.and(result(&String::from_utf8_lossy(&line)).unwrap_or_default());
        line.clear();
    }
    Ok(count)
}

/// Reads `test result: ok. 5 passed; 0 failed; …`.
fn result(line: &str) -> Option<Count> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |what: &str| {
        let part = counts.split("; ").find(|part| part.trim().ends_with(what))?;
        part.trim().split(' ').next()?.parse().ok()
    };
    Some(Count { passed: number("passed")?, failed: number("failed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 1 filtered \
                    out; finished in 0.10s\n";
        let counted = result(line).map(|count| (count.passed, count.failed));
        assert_eq!(counted, Some((12, 3)));
        assert!(result("running 15 tests").is_none());
    }
}
