//! Agents that are updated from afar: to what somebody signed, and never to anything else; and back
//! again when it does not work.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    path::PathBuf,
};

use gangplank_tests::{
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    eventually,
    http::Client,
    job::OVER,
    page::Page,
    process, program,
    release::{Release, Signer, agent_program, manifest, moment, target},
    scratch,
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use time::Duration;

/// What every agent here was installed as.
const BASE: &str = env!("CARGO_PKG_VERSION");

/// A daemon that carries releases, and a host that takes them.
struct Site {
    daemon: Daemon,
    admin: Client,
    agent: Agent,
    signer: Signer,
}

impl Site {
    async fn start() -> Self {
        let daemon = Daemon::start();
        let admin = daemon.admin().await;
        let signer = Signer::new();
        let policy = Policy::everything("localhost:22");
        let agent = Agent::enrol_with(&daemon, &admin, &policy, |table| signer.allow(table)).await;
        Self { daemon, admin, agent, signer }
    }

    fn offer(&self, release: &Release) {
        release.put(self.daemon.directory());
    }

    /// Offers the agent itself as another version.
    fn offer_version(&self, version: &str) {
        self.offer(&self.signer.release(version, &agent_program()));
    }

    async fn order(&self, params: Value) -> String {
        let order = json!({ "command": "update_agent", "params": params });
        self.admin.order(self.agent.host(), order).await
    }

    /// Orders an update and answers the job when it is over.
    async fn update(&self) -> Value {
        let id = self.order(json!({})).await;
        self.admin.job_over(&id).await
    }

    /// Waits until the agent is connected and says that it is this version.
    async fn runs(&self, version: &str) {
        let what = format!("the agent to run as {version}");
        eventually::until(eventually::patience(), &what, || async {
            let status = self.admin.status(self.agent.host()).await;
            let runs = status["state"] == "online" && status["agent_version"] == version;
            runs.then_some(())
        })
        .await;
    }

    /// What the agent keeps about updates.
    fn kept(&self, name: &str) -> PathBuf {
        self.agent.config().with_extension("update").join(name)
    }

    fn state(&self) -> Value {
        let text = fs::read(self.kept("state.json")).expect("a state");
        serde_json::from_slice(&text).expect("JSON")
    }

    fn set_state(&self, state: &Value) {
        fs::write(self.kept("state.json"), state.to_string()).expect("our own file");
    }

    /// Kills the agent, and waits until the daemon knows that it is gone.
    async fn kill(&self) {
        self.agent.kill();
        self.agent.state(&self.admin, "offline").await;
    }

    /// Starts the agent again, as a service manager would, until it stays.
    async fn keep_alive(&self, manager: &Manager, version: &str) {
        for _ in 0..10 {
            self.agent.start_again_with(&manager.variables());
            let stays = eventually::until(eventually::patience(), "an end or a link", || async {
                let status = self.admin.status(self.agent.host()).await;
                if status["state"] == "online" && status["agent_version"] == version {
                    return Some(true);
                }
                self.agent.has_ended().then_some(false)
            })
            .await;
            if stays {
                return;
            }
        }
        panic!("it does not come back as {version}:\n{}", self.agent.log());
    }
}

/// Somebody who starts again what ends, as the agent sees it.
struct Manager(UnixDatagram, String);

impl Manager {
    fn new() -> Self {
        let path = scratch::directory().join("notify");
        let socket = UnixDatagram::bind(&path).expect("our own directory");
        Self(socket, path.to_str().expect("UTF-8").to_owned())
    }

    fn variables(&self) -> [(&str, &str); 1] {
        [("NOTIFY_SOCKET", &self.1)]
    }

    /// Everything that it was told so far.
    fn heard(&self) -> String {
        self.0.set_nonblocking(true).expect("a socket");
        let mut heard = String::new();
        let mut message = [0; 4096];
        while let Ok(length) = self.0.recv(&mut message) {
            heard.push_str(&String::from_utf8_lossy(&message[..length]));
            heard.push('\n');
        }
        heard
    }
}

#[tokio::test]
async fn a_signed_version_takes_over_and_stays() {
    let site = Site::start().await;
    site.runs(BASE).await;
    let pid = site.agent.pid();
    site.offer_version("0.2.0");
    let job = site.update().await;
    assert_eq!(job["state"], "succeeded", "{job}\n{}", site.agent.log());
    let outcome = json!({ "outcome": "confirmed", "from": BASE, "to": "0.2.0" });
    assert_eq!(job["result"], outcome, "{job}");
    site.runs("0.2.0").await;
    // For whoever started it, it is the same process.
    assert_eq!(site.agent.pid(), pid);
    assert!(!site.agent.has_ended());
    assert_eq!(fs::read_to_string(site.kept("floor")).expect("a floor").trim(), "0.2.0");

    // It is what runs from now on, whatever happens to the process.
    site.kill().await;
    site.agent.start_again();
    site.runs("0.2.0").await;
    let job = site.update().await;
    assert_eq!(
        (&job["state"], &job["result"]["outcome"]),
        (&json!("succeeded"), &json!("current"))
    );

    // The next one replaces it, and it is kept; what was before is not.
    for version in ["0.3.0", "0.10.0"] {
        site.offer_version(version);
        let job = site.update().await;
        assert_eq!(job["state"], "succeeded", "{job}");
        site.runs(version).await;
    }
    let mut kept: Vec<_> = fs::read_dir(site.kept("versions"))
        .expect("versions")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    kept.sort();
    assert_eq!(kept, ["0.10.0", "0.3.0"]);

    // Without its key nothing is run that the key signed; the installed program always is.
    let text = fs::read_to_string(site.agent.config()).expect("a configuration");
    let other = text.replace(&site.signer.key(), &Signer::new().key());
    fs::write(site.agent.config(), other).expect("our own file");
    site.kill().await;
    site.agent.start_again();
    site.runs(BASE).await;
    assert!(site.agent.log().contains("isn't signed by a key"), "{}", site.agent.log());
    fs::write(site.agent.config(), text).expect("our own file");
    site.kill().await;
    site.agent.start_again();
    site.runs("0.10.0").await;
}

/// What a daemon may try whose database, disk and operator belong to somebody else.
#[tokio::test]
async fn a_hostile_daemon_makes_no_agent_run_what_nobody_signed() {
    let site = Site::start().await;
    // Something to go back to: a version that was signed, ran, and is old now.
    site.offer_version("0.2.0");
    assert_eq!(site.update().await["state"], "succeeded");
    site.runs("0.2.0").await;
    let (pid, program) = (site.agent.pid(), agent_program());
    let signer = &site.signer;
    let good = signer.release("0.3.0", &program);
    let with = |field: &str, value: Value| {
        let mut manifest = manifest("0.3.0", &program);
        manifest[field] = value;
        signer.release_with(&program, &manifest)
    };
    let shell = b"#!/bin/sh\ntouch /tmp/owned\n".to_vec();
    let flipped = |at: usize| {
        let mut program = program.clone();
        program[at] ^= 1;
        Release { program, ..good.clone() }
    };
    let mut forged = good.manifest.clone();
    let at = forged.windows(5).position(|five| five == b"0.3.0").expect("a version");
    forged[at] = b'9';
    let unsigned = manifest("0.3.0", &shell).to_string().into_bytes();
    let other_target = if target().contains("x86_64") { "aarch64" } else { "x86_64" };
    let other_target = format!("{other_target}-unknown-linux-gnu");
    let longer = [program.clone(), vec![0]].concat();
    let cases = [
        ("other bytes", Release { program: shell.clone(), ..good.clone() }, "the program"),
        ("a flipped bit at the start", flipped(0), "not the ones that were signed"),
        ("one in the middle", flipped(program.len() / 2), "not the ones that were signed"),
        ("one at the end", flipped(program.len() - 1), "not the ones that were signed"),
        (
            "a truncated program",
            Release { program: program[..program.len() - 1].to_vec(), ..good.clone() },
            "the program",
        ),
        ("a longer program", Release { program: longer, ..good.clone() }, "the program"),
        ("no signature", Release { signature: None, ..good.clone() }, "no signed release"),
        (
            "a manifest of its own",
            Release { program: shell.clone(), manifest: unsigned.clone(), ..good.clone() },
            "isn't signed",
        ),
        ("a forged version", Release { manifest: forged, ..good.clone() }, "isn't signed"),
        (
            "another's signature",
            Release { signature: Some(Signer::new().sign(&good.manifest)), ..good.clone() },
            "isn't signed",
        ),
        ("another's release", Signer::new().release("0.3.0", &shell), "isn't signed"),
        (
            "a signature of something else",
            Release { signature: Some(signer.sign(b"something else")), ..good.clone() },
            "isn't signed",
        ),
        (
            "no signature at all",
            Release { signature: Some("nothing".to_owned()), ..good.clone() },
            "none of minisign's",
        ),
        ("an older version", signer.release("0.1.9", &program), "older than 0.2.0"),
        ("an expired one", with("expires", json!(moment(-Duration::SECOND))), "expired"),
        ("one of another system", with("target", json!(other_target)), "is for"),
        ("one of another product", with("product", json!("gangplankd")), "no manifest"),
        ("a step too far", with("minimum_version", json!("0.2.1")), "0.2.1 or newer"),
    ];
    for (what, release, reason) in cases {
        site.offer(&release);
        let job = site.update().await;
        assert_eq!(job["state"], "failed", "{what}: {job}");
        let error = job["error"].as_str().expect("a reason");
        assert!(error.contains(reason), "{what}: {error}");
        assert_eq!(site.agent.pid(), pid, "{what}");
        assert!(!site.kept("versions/0.3.0").exists(), "{what}");
    }
    // Never in between did another program run.
    assert!(!site.agent.has_ended());
    site.runs("0.2.0").await;
    let job = site.admin.job_over(&site.order(json!({ "version": "0.4.0" })).await).await;
    assert_eq!(job["state"], "failed", "nothing is there of it: {job}");
    site.offer(&good);
    assert_eq!(site.update().await["state"], "succeeded");
    site.runs("0.3.0").await;
}

#[tokio::test]
async fn a_host_decides_whether_and_by_whom_it_is_updated() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let signer = Signer::new();
    signer.release("0.2.0", &agent_program()).put(daemon.directory());
    let policy = Policy::everything("localhost:22");
    for (update, keys, reason) in
        [(false, true, "policy.update = true"), (true, false, "no key of releases")]
    {
        let agent = Agent::enrol_with(&daemon, &admin, &policy, |table| {
            signer.allow(table);
            table["policy"]["update"] = update.into();
            if !keys {
                table.remove("update");
            }
        });
        let agent = agent.await;
        let id = admin.order(agent.host(), json!({ "command": "update_agent" })).await;
        let job = admin.job_over(&id).await;
        assert_eq!(job["state"], "failed", "{job}");
        assert!(job["error"].as_str().expect("a reason").contains(reason), "{job}");
        assert!(!agent.config().with_extension("update").exists());
    }
    let host = admin.add_host("nobody", None).await;
    let path = format!("/api/v1/hosts/{}/commands", host["id"].as_str().expect("an id"));
    for params in [
        json!({ "version": "newest" }),
        json!({ "url": "http://a.example/agent" }),
        json!({ "force": 1 }),
        json!({ "shell": "id" }),
    ] {
        let order = json!({ "command": "update_agent", "params": params });
        admin.post(&path, order).await.refused(400);
    }
}

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

#[tokio::test]
async fn an_update_waits_for_people_unless_it_is_forced() {
    let site = Site::start().await;
    site.offer_version("0.2.0");
    let mut page = Page::open(&site.admin, site.agent.host()).await;
    page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
    let id = site.order(json!({})).await;
    eventually::until(eventually::patience(), "the update to wait", || async {
        (site.admin.job(&id).await["progress"]["phase"] == "waiting").then_some(())
    })
    .await;
    page.proves_a_shell().await;
    // Called off, it leaves everything as it was.
    site.admin.post(&format!("/api/v1/jobs/{id}/cancel"), json!({})).await.expect(202);
    assert_eq!(site.admin.job_over(&id).await["state"], "cancelled");
    assert_eq!(site.state()["trial"], Value::Null);
    page.proves_a_shell().await;

    let id = site.order(json!({})).await;
    eventually::until(eventually::patience(), "the update to wait", || async {
        (site.admin.job(&id).await["progress"]["phase"] == "waiting").then_some(())
    })
    .await;
    page.keys("exit\n").await;
    page.ended(eventually::patience()).await;
    let job = site.admin.job_over(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    site.runs("0.2.0").await;

    let mut page = Page::open(&site.admin, site.agent.host()).await;
    page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
    site.offer_version("0.3.0");
    let job = site.admin.job_over(&site.order(json!({ "force": true })).await).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    page.ended(eventually::patience()).await;
    site.runs("0.3.0").await;
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

#[tokio::test]
async fn a_release_is_sent_from_any_byte_on_and_only_by_names_that_exist() {
    let daemon = Daemon::start();
    let client = daemon.client();
    let signer = Signer::new();
    let program: Vec<u8> = (0..200_000u32).flat_map(u32::to_be_bytes).collect();
    let release = signer.release("0.2.0", &program);
    release.put(daemon.directory());
    let path = |file: &str| format!("/api/v1/agent/{file}?target={}", target());
    assert_eq!(client.get(&path("manifest")).await.expect(200).body, release.manifest);
    let signature = release.signature.clone().expect("a signature");
    assert_eq!(client.get(&path("signature")).await.expect(200).text(), signature);
    assert_eq!(client.get(&path("download")).await.expect(200).body, program);
    for from in [1, 4096, program.len() - 1] {
        let part = client.clone().with_header("Range", &format!("bytes={from}-"));
        let part = part.get(&path("download")).await.expect(206);
        assert_eq!(part.body, &program[from..]);
        let range = format!("bytes {from}-{}/{}", program.len() - 1, program.len());
        assert_eq!(part.header("content-range"), range);
    }
    let beyond = client.clone().with_header("Range", &format!("bytes={}-", program.len()));
    beyond.get(&path("download")).await.refused(416);
    for odd in ["bytes=5-9", "bytes=-5", "bytes=5-,9-", "lines=5-", "bytes=x-"] {
        let whole = client.clone().with_header("Range", odd).get(&path("download")).await;
        assert_eq!(whole.expect(200).body, program, "{odd}");
    }
    // A version has a directory of its own, or is what lies there.
    let other = signer.release("0.1.5", b"older");
    let home = daemon.directory().join("agents/0.1.5");
    fs::create_dir_all(&home).expect("our own directory");
    fs::write(home.join(format!("gangplank-agent-{}", target())), &other.program).expect("a file");
    let of = |version: &str| format!("{}&version={version}", path("download"));
    assert_eq!(client.get(&of("0.1.5")).await.expect(200).body, other.program);
    assert_eq!(client.get(&of("0.2.0")).await.expect(200).body, program);
    for wrong in ["..", "0.1.5/../..", "%2e%2e", "0.1", "latest"] {
        client.get(&of(wrong)).await.refused(400);
    }
    for wrong in ["../../etc/passwd", "x86_64-pc-windows-msvc", ""] {
        client.get(&format!("/api/v1/agent/manifest?target={wrong}")).await.refused(400);
    }
    client.get("/api/v1/agent/manifest").await.refused(400);
    let absent = "/api/v1/agent/signature?target=aarch64-unknown-linux-musl";
    client.get(absent).await.refused(404);
}

#[tokio::test]
async fn a_host_can_look_for_itself() {
    let site = Site::start().await;
    let look = || {
        let mut command = std::process::Command::new(program::gangplank_agent());
        command.args(["update", "--check", "--json", "--config"]).arg(site.agent.config());
        process::run(&command)
    };
    let looked = look();
    assert_eq!(looked.code, Some(1), "{looked:?}");
    assert!(looked.stderr.contains("no signed release"), "{looked:?}");
    site.offer_version("0.2.0");
    let looked = look();
    assert_eq!(looked.code, Some(0), "{looked:?}");
    let shown: Value = serde_json::from_str(&looked.stdout).expect("JSON");
    assert_eq!((&shown["offered"], &shown["newer"]), (&json!("0.2.0"), &json!(true)), "{shown}");
    site.offer(&Signer::new().release("0.2.0", b"x"));
    let looked = look();
    assert_eq!(looked.code, Some(1), "{looked:?}");
    assert!(looked.stderr.contains("isn't signed"), "{looked:?}");
    site.runs(BASE).await;
}
