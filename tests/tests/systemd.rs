//! The units: correct, and hardly exposed.

use std::{fs, process::Command};

use gangplank_tests::{process, program, scratch};

/// Copies the units with programs that exist here, so that `verify` finds them.
fn units() -> std::path::PathBuf {
    let directory = scratch::directory();
    for name in [
        "gangplankd.service",
        "gangplankd-keeper.service",
        "gangplankd.socket",
        "gangplankd-redirect.socket",
        "gangplank-agent.service",
        "gangplank-agent-helper.socket",
        "gangplank-agent-helper.service",
    ] {
        let text = fs::read_to_string(program::source("systemd").join(name)).expect("a unit");
        let text = text
            .replace("/usr/bin/gangplankd", program::gangplankd().to_str().expect("UTF-8"))
            .replace(
                "/usr/bin/gangplank-agent",
                program::gangplank_agent().to_str().expect("UTF-8"),
            );
        fs::write(directory.join(name), text).expect("our own directory");
    }
    directory
}

#[test]
fn the_units_are_correct() {
    let directory = units();
    let mut verify = Command::new(program::installed("systemd-analyze"));
    verify.args(["verify", "--man=no"]);
    for entry in fs::read_dir(&directory).expect("our own directory") {
        verify.arg(entry.expect("an entry").path());
    }
    verify.env("SYSTEMD_UNIT_PATH", format!("{}:", directory.display()));
    let finished = process::run(&verify);
    let said: Vec<&str> = finished
        .stderr
        .lines()
        // What other packages' units on this machine get wrong is not ours.
        .filter(|line| line.contains("gangplank"))
        .filter(|line| !line.contains("is writable") && !line.contains("world-accessible"))
        .collect();
    assert!(said.is_empty(), "{said:#?}");
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

/// Exposure of one unit as `systemd-analyze` sums it up, 0 (none) to 10.
fn exposure(unit: &str) -> f64 {
    let file = program::source("systemd").join(unit);
    let mut analyze = Command::new(program::installed("systemd-analyze"));
    analyze.args(["security", "--offline=true", "--no-pager"]).arg(file);
    let finished = process::run(&analyze);
    let line = finished
        .stdout
        .lines()
        .find(|line| line.contains("Overall exposure level"))
        .unwrap_or_else(|| panic!("{finished:?}"));
    let number = line.rsplit(": ").next().and_then(|rest| rest.split_whitespace().next());
    number.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn the_daemon_is_hardly_exposed() {
    let level = exposure("gangplankd.service");
    assert!(level <= 2.0, "exposure {level}");
}

#[test]
fn the_keeper_is_hardly_exposed() {
    let level = exposure("gangplankd-keeper.service");
    assert!(level <= 2.0, "exposure {level}");
}

#[test]
fn a_restart_of_the_daemon_does_not_touch_its_keeper() {
    let unit = |name| fs::read_to_string(program::source("systemd").join(name)).expect("a unit");
    let (daemon, keeper) = (unit("gangplankd.service"), unit("gangplankd-keeper.service"));
    let tied = ["Requires=", "BindsTo=", "PartOf=", "Upholds=", "PropagatesStopTo=", "Conflicts="];
    let ties = |text: &str, other: &str| {
        text.lines()
            .any(|line| tied.iter().any(|key| line.starts_with(key)) && line.contains(other))
    };
    assert!(!ties(&daemon, "gangplankd-keeper"), "the daemon takes its keeper along");
    assert!(!ties(&keeper, "gangplankd"), "the keeper goes with its daemon");
    assert!(daemon.lines().any(|line| line.starts_with("Wants=") && line.contains("keeper")));
    // A directory of its own: the daemon's goes with the daemon.
    assert!(keeper.contains("RuntimeDirectory=gangplank-keeper\n"));
}

#[test]
fn the_agent_is_hardly_exposed() {
    let level = exposure("gangplank-agent.service");
    assert!(level <= 1.5, "exposure {level}");
}

#[test]
fn the_helper_of_the_agent_is_hardly_exposed() {
    let level = exposure("gangplank-agent-helper.service");
    assert!(level <= 1.5, "exposure {level}");
}

#[test]
fn only_the_agent_reaches_its_helper() {
    let unit = |name| fs::read_to_string(program::source("systemd").join(name)).expect("a unit");
    let socket = unit("gangplank-agent-helper.socket");
    for line in [
        "ListenStream=/run/gangplank-agent/helper.sock",
        "SocketMode=0660",
        "SocketUser=root",
        "SocketGroup=gangplank-agent",
    ] {
        assert!(socket.lines().any(|there| there == line), "{line}");
    }
    // The daemon's own directory is its user's, who could put another socket there.
    assert!(unit("gangplankd.service").contains("RuntimeDirectory=gangplank\n"));
    let agent = unit("gangplank-agent.service");
    let families = agent.lines().find(|line| line.starts_with("RestrictAddressFamilies="));
    assert!(families.expect("families").contains("AF_UNIX"));
}

#[test]
fn users_and_directories_are_declared() {
    for (directory, tool) in
        [("sysusers.d", "systemd-sysusers"), ("tmpfiles.d", "systemd-tmpfiles")]
    {
        let root = scratch::directory();
        for entry in fs::read_dir(program::source("systemd").join(directory)).expect("files") {
            let file = entry.expect("an entry").path();
            fs::create_dir_all(root.join("etc")).expect("our own directory");
            let mut command = Command::new(program::installed(tool));
            command.arg("--root").arg(&root);
            if tool == "systemd-tmpfiles" {
                command.arg("--create");
                // Users that only sysusers would have made.
                let mut users = Command::new(program::installed("systemd-sysusers"));
                users.arg("--root").arg(&root);
                for entry in fs::read_dir(program::source("systemd/sysusers.d")).expect("files") {
                    users.arg(entry.expect("an entry").path());
                }
                process::run(&users);
            }
            let finished = process::run(command.arg(&file));
            assert_eq!(finished.code, Some(0), "{}: {finished:?}", file.display());
        }
    }
}
