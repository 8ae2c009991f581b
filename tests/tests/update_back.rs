//! Updates that go wrong: whatever dies at whatever step, an agent that works comes back.

use std::{fs, os::unix::fs::PermissionsExt as _};

use gangplank_tests::{
    eventually,
    job::OVER,
    process, program,
    release::{agent_program, manifest},
    site::{BASE, Manager, Site},
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

#[tokio::test]
async fn a_version_that_does_not_start_never_takes_over() {
    let site = Site::start().await;
    let pid = site.agent.pid();
    let mut broken = agent_program();
    broken.truncate(4096);
    let no_program = b"not a program".to_vec();
    let fails = fs::read(program::installed("false")).expect("a program");
    for (version, program) in [("0.2.0", fails), ("0.3.0", broken), ("0.4.0", no_program)] {
        site.offer(&site.signer.release(version, &program));
        let job = site.update().await;
        assert_eq!(job["state"], "failed", "{job}");
        let error = job["error"].as_str().expect("a reason");
        assert!(error.contains("the new program is not taken"), "{error}");
    }
    assert_eq!(site.agent.pid(), pid);
    assert!(!site.agent.has_ended());
    site.runs(BASE).await;
    assert_eq!(site.state()["trial"], Value::Null);
}

#[tokio::test]
async fn under_a_service_manager_a_version_is_the_service() {
    let (site, manager) = (Site::start().await, Manager::new());
    site.agent.start_again_with(&manager.variables());
    site.runs(BASE).await;
    let pid = site.agent.pid();
    site.offer_version("0.2.0");
    assert_eq!(site.update().await["state"], "succeeded");
    site.runs("0.2.0").await;
    assert_eq!(site.agent.pid(), pid);
    // No parent is left beside it, and the manager was never told that the service stops.
    assert_eq!(process::family(pid), [pid]);
    let heard = manager.heard();
    assert_eq!(heard.matches("READY=1").count(), 2, "{heard}");
    assert!(!heard.contains("STOPPING=1"), "{heard}");
    site.agent.signal(Signal::SIGTERM);
    assert_eq!(site.agent.exit_code(eventually::patience()), Some(0));
    assert!(manager.heard().contains("STOPPING=1"));
}

#[tokio::test]
async fn under_a_service_manager_a_version_that_ends_has_three_starts() {
    let (site, manager) = (Site::start().await, Manager::new());
    site.agent.start_again_with(&manager.variables());
    site.runs(BASE).await;
    let ends = fs::read(program::installed("true")).expect("a program");
    site.offer(&site.signer.release("0.2.0", &ends));
    let id = site.order(json!({})).await;
    eventually::eventually("the new version to end", || site.agent.has_ended().then_some(()));
    site.keep_alive(&manager, BASE).await;
    let job = site.admin.job_over(&id).await;
    assert_eq!(job["state"], "failed", "{job}");
    let error = job["error"].as_str().expect("a reason");
    assert!(error.contains("it ended each time"), "{error}");
}

#[tokio::test]
async fn a_version_that_ends_at_once_gives_its_place_back() {
    let site = Site::start().await;
    let pid = site.agent.pid();
    // It answers the first question as if it worked, and then does nothing at all.
    let ends = fs::read(program::installed("true")).expect("a program");
    site.offer(&site.signer.release("0.2.0", &ends));
    let job = site.update().await;
    assert_eq!(job["state"], "failed", "{job}");
    // Nobody had to start it again.
    assert_eq!(site.agent.pid(), pid);
    assert!(!site.agent.has_ended());
    site.runs(BASE).await;
    let error = job["error"].as_str().expect("a reason");
    assert!(error.contains(&format!("0.2.0 was tried, and {BASE} is back")), "{error}");
    assert_eq!(job["result"]["outcome"], "rolled_back", "{job}");
    // It may be mended.
    site.offer_version("0.2.1");
    assert_eq!(site.update().await["state"], "succeeded");
    site.runs("0.2.1").await;
}

#[tokio::test]
async fn a_version_that_does_not_connect_in_time_gives_its_place_back() {
    let site = Site::start().await;
    site.offer_version("0.2.0");
    assert_eq!(site.update().await["state"], "succeeded");
    site.runs("0.2.0").await;
    // A trial of which all but a few seconds are over, and a daemon that isn't there.
    site.agent.kill();
    site.daemon.kill();
    fs::rename(site.kept("versions/0.2.0"), site.kept("versions/0.3.0")).expect("a version");
    let release = site.signer.release("0.3.0", &agent_program());
    fs::write(site.kept("versions/0.3.0/manifest.json"), &release.manifest).expect("a file");
    let signature = release.signature.expect("a signature");
    fs::write(site.kept("versions/0.3.0/manifest.json.minisig"), signature).expect("a file");
    let trial = json!({ "version": "0.3.0", "from": BASE, "job": null, "phase": "trying",
                        "starts": 1, "since": now() - 116_000 });
    site.set_state(&json!({ "trial": trial }));
    site.agent.start_again();
    let pid = site.agent.pid();
    let log = || site.agent.log();
    eventually::eventually("the new version to try", || {
        log().contains("release=0.3.0 on_trial=true").then_some(())
    });
    eventually::eventually("the old version to come back", || {
        log().contains(&format!("release={BASE} on_trial=false")).then_some(())
    });
    // In the same process, without anybody's help.
    assert!(!site.agent.has_ended());
    assert_eq!(site.agent.pid(), pid);
    let last = site.state()["last"]["how"]["rolled_back"]["why"].clone();
    assert_eq!(last, "it was not connected in time");
    site.daemon.start_again();
    site.runs(BASE).await;
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.expect("a clock").as_millis()).expect("a clock")
}

/// Kills the agent at every point of an update that can be seen from outside.
#[tokio::test]
async fn a_kill_at_any_step_leaves_an_agent_that_works() {
    let site = Site::start().await;
    let mut running = BASE.to_owned();
    let phases = ["fetching", "checking", "trying", "restarting"];
    for (round, phase) in phases.into_iter().enumerate() {
        let next = format!("0.{}.0", round + 2);
        site.offer_version(&next);
        let id = site.order(json!({})).await;
        eventually::until(eventually::patience(), "a step", || async {
            let job = site.admin.job(&id).await;
            let over = OVER.contains(&job["state"].as_str().expect("a state"));
            (over || job["progress"]["phase"] == phase).then_some(())
        })
        .await;
        site.kill().await;
        site.agent.start_again();
        site.agent.online(&site.admin).await;
        let job = site.admin.job_over(&id).await;
        match job["state"].as_str() {
            Some("succeeded") => running = next,
            Some("failed") => {}
            state => panic!("{phase}: {state:?}: {job}"),
        }
        site.runs(&running).await;
    }
    site.offer_version("1.0.0");
    assert_eq!(site.update().await["state"], "succeeded");
    site.runs("1.0.0").await;
}

/// The same, from what each step leaves on the disk.
#[tokio::test]
async fn what_any_step_leaves_on_the_disk_is_something_to_start_from() {
    let site = Site::start().await;
    site.offer_version("0.2.0");
    assert_eq!(site.update().await["state"], "succeeded");
    let program = agent_program();
    let release = site.signer.release("0.3.0", &program);
    let hash = manifest("0.3.0", &program)["sha256"].as_str().expect("a hash").to_owned();
    let settled = json!({ "current": "0.2.0" });
    let trial = |phase: &str, starts: u32| {
        json!({ "current": "0.2.0", "trial": { "version": "0.3.0", "from": "0.2.0", "job": null,
                "phase": phase, "starts": starts, "since": null } })
    };
    let version = |name: &str, files: usize| {
        let home = site.kept("versions").join(name);
        fs::create_dir_all(&home).expect("our own directory");
        let signature = release.signature.clone().expect("a signature").into_bytes();
        let all = [
            ("manifest.json", release.manifest.clone()),
            ("manifest.json.minisig", signature),
            ("program", program.clone()),
        ];
        for (name, bytes) in all.into_iter().take(files) {
            fs::write(home.join(name), bytes).expect("our own directory");
            let mode = fs::Permissions::from_mode(0o500);
            fs::set_permissions(home.join(name), mode).expect("our own file");
        }
    };
    let clear = || {
        for left in ["0.3.0", "0.3.0.new"] {
            let _ = fs::remove_dir_all(site.kept("versions").join(left));
        }
    };
    let partial = site.kept("incoming").join(&hash);
    let cases: [(&str, &dyn Fn(), Value, &str); 11] = [
        ("nothing fetched", &|| fs::write(&partial, "").expect("a file"), settled.clone(), "0.2.0"),
        (
            "half of it fetched",
            &|| fs::write(&partial, &program[..program.len() / 2]).expect("a file"),
            settled.clone(),
            "0.2.0",
        ),
        (
            "fetched and not checked",
            &|| fs::write(&partial, &program).expect("a file"),
            settled.clone(),
            "0.2.0",
        ),
        ("a place begun", &|| version("0.3.0.new", 1), settled.clone(), "0.2.0"),
        ("a place half made", &|| version("0.3.0.new", 2), settled.clone(), "0.2.0"),
        ("a place made", &|| version("0.3.0.new", 3), settled.clone(), "0.2.0"),
        ("in place", &|| version("0.3.0", 3), settled, "0.2.0"),
        ("staged", &|| version("0.3.0", 3), trial("staged", 0), "0.2.0"),
        ("to be tried, and not there", &|| {}, trial("trying", 0), "0.2.0"),
        ("tried too often", &|| version("0.3.0", 3), trial("trying", 3), "0.2.0"),
        ("to be tried", &|| version("0.3.0", 3), trial("trying", 2), "0.3.0"),
    ];
    for (what, leave, state, runs) in cases {
        site.kill().await;
        clear();
        leave();
        site.set_state(&state);
        site.agent.start_again();
        site.runs(runs).await;
        assert!(!site.agent.has_ended(), "{what}");
        assert_eq!(site.state()["trial"], Value::Null, "{what}");
    }
    // A version that is damaged on the disk is not run.
    site.kill().await;
    let lies = site.kept("versions/0.3.0/program");
    let mut bytes = fs::read(&lies).expect("a program");
    bytes[5000] ^= 1;
    fs::remove_file(&lies).expect("our own file");
    fs::write(&lies, bytes).expect("our own file");
    site.agent.start_again();
    site.runs("0.2.0").await;
    assert!(site.agent.log().contains("not the ones that were signed"), "{}", site.agent.log());
}
