//! What an operator gets wrong, and what a machine does: each has its clear error, nothing is half
//! done, and where a daemon runs already it lives on.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use gangplank_tests::{
    daemon::Daemon,
    disk::Disk,
    eventually,
    process::{self, Finished, Process},
    program, scratch,
    sshd::free_port,
};
use nix::sys::signal::Signal;
use serde_json::json;
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

const CONFIG: i32 = 78;

/// A configuration file that would do, and lines added to it.
fn config(directory: &Path, more: &str) -> PathBuf {
    let file = directory.join("gangplankd.toml");
    let data = directory.join("data");
    let text = format!(
        "data_dir = \"{}\"\n{more}\n[listen]\ntls = [\"127.0.0.1:{}\"]\n",
        data.display(),
        free_port()
    );
    fs::write(&file, text).expect("our own directory");
    file
}

fn check(file: &Path, environment: &[(&str, &str)]) -> Finished {
    let mut command = Command::new(program::gangplankd());
    command.arg("check-config").arg("--config").arg(file).envs(environment.iter().copied());
    process::run(&command)
}

fn serve(file: &Path) -> Finished {
    let mut command = Command::new(program::gangplankd());
    command.arg("serve").arg("--config").arg(file);
    let process = Process::start("gangplankd serve", &command);
    let code = process.ended(Duration::from_secs(30)).code();
    Finished { code, stdout: String::new(), stderr: process.log() }
}

#[test]
fn a_good_configuration_is_called_good() {
    let directory = scratch::directory();
    let checked = check(&config(&directory, ""), &[]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(!directory.join("data").exists(), "checking makes nothing");
}

#[test]
fn an_unknown_key_is_an_error_that_names_it() {
    let directory = scratch::directory();
    let file = config(&directory, "no_such_key = 1\n[limits]\nestablish = \"soon\"\nwindow = 3\n");
    for finished in [check(&file, &[]), serve(&file)] {
        assert_eq!(finished.code, Some(CONFIG), "{finished:?}");
        let said = format!("{}{}", finished.stdout, finished.stderr);
        for word in ["no_such_key", "limits.establish", "limits.window", "fix"] {
            assert!(said.contains(word), "{word} is missing in {said}");
        }
    }
    assert!(!directory.join("data").exists(), "nothing is half done");
    let missing = check(&directory.join("missing.toml"), &[]);
    assert_eq!(missing.code, Some(CONFIG), "{missing:?}");
    fs::write(&file, "this is [ no toml").expect("our own directory");
    assert_eq!(check(&file, &[]).code, Some(CONFIG));
}

#[test]
fn an_unknown_variable_is_an_error_too() {
    let directory = scratch::directory();
    let file = config(&directory, "");
    let checked = check(&file, &[("GANGPLANK_LIMITS__NO_SUCH_KEY", "1")]);
    assert_eq!(checked.code, Some(CONFIG), "{checked:?}");
    let said = format!("{}{}", checked.stdout, checked.stderr);
    assert!(said.contains("GANGPLANK_LIMITS__NO_SUCH_KEY"), "{said}");
}

#[test]
fn production_forbids_what_is_not_safe_and_names_it() {
    let directory = scratch::directory();
    for (lines, key) in [
        ("[auth]\norigins = [\"*\"]\n", "auth.origins"),
        ("[auth]\nlegacy_query_token = true\n", "auth.legacy_query_token"),
        ("[auth]\nlegacy_cookie = true\n", "auth.legacy_cookie"),
        ("[auth]\nsecret = \"short\"\n", "auth.secret"),
        ("[internal]\ntoken = \"short\"\n", "internal.token"),
        ("[internal]\nhmac_secret = \"short\"\n", "internal.hmac_secret"),
    ] {
        let file = config(&directory, lines);
        let checked = check(&file, &[("GANGPLANK_ENV", "production")]);
        assert_eq!(checked.code, Some(CONFIG), "{key}: {checked:?}");
        let said = format!("{}{}", checked.stdout, checked.stderr);
        assert!(said.contains(key), "{key}: {said}");
        assert!(!said.contains("\"short\""), "a secret is shown: {said}");
    }
    let plain = directory.join("plain.toml");
    let text = fs::read_to_string(config(&directory, "")).expect("a file");
    fs::write(&plain, format!("{text}plain = [\"127.0.0.1:{}\"]\n", free_port())).expect("ours");
    assert_eq!(check(&plain, &[]).code, Some(0));
    let checked = check(&plain, &[("GANGPLANK_ENV", "production")]);
    assert_eq!(checked.code, Some(CONFIG), "{checked:?}");
    let fine = config(&directory, "");
    assert_eq!(check(&fine, &[("GANGPLANK_ENV", "production")]).code, Some(0));
    assert_eq!(check(&fine, &[("GANGPLANK_ENV", "prod")]).code, Some(CONFIG));
}

#[test]
fn limits_that_exceed_the_machine_are_refused() {
    let directory = scratch::directory();
    let file = config(
        &directory,
        "[limits]\nterminals = 100000\nreplay_ring = \"64 MiB\"\nmessage = \"64 MiB\"\n",
    );
    let checked = check(&file, &[]);
    assert_eq!(checked.code, Some(CONFIG), "{checked:?}");
    let said = format!("{}{}", checked.stdout, checked.stderr);
    assert!(said.contains("limits."), "{said}");
}

#[test]
fn wrong_usage_has_its_own_code() {
    for arguments in [&["no-such-command"][..], &["serve"], &["up", "--listen", "nowhere"], &[]] {
        let mut command = Command::new(program::gangplankd());
        let finished = process::run(command.args(arguments).env("HOME", "/nonexistent"));
        assert!([Some(2), Some(CONFIG)].contains(&finished.code), "{arguments:?}: {finished:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["version"], &["up", "--help"], &["man"]] {
        let finished = process::run(Command::new(program::gangplankd()).args(arguments));
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
        assert!(!finished.stdout.is_empty(), "{arguments:?}");
        let finished = process::run(
            Command::new(program::gangplank_agent()).args(if arguments == ["up", "--help"] {
                &["run", "--help"]
            } else {
                arguments
            }),
        );
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
    }
    for shell in ["bash", "zsh", "fish"] {
        for program in [program::gangplankd(), program::gangplank_agent()] {
            let script = process::succeed(Command::new(program).args(["completion", shell]));
            assert!(script.contains("gangplank"), "{shell}");
        }
    }
}

#[test]
fn a_busy_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let directory = scratch::directory();
    let mut command = Command::new(program::gangplankd());
    command.args(["up", "--listen", &address, "--data-dir"]).arg(&directory);
    let process = Process::start("gangplankd", &command);
    let code = process.ended(Duration::from_secs(30)).code();
    assert_eq!(code, Some(1), "{}", process.log());
    assert!(process.log().contains(&address), "{}", process.log());
    assert!(!process.log().contains("panicked"));
}

#[test]
fn keys_that_cannot_be_read_are_named() {
    let directory = scratch::directory();
    let missing = directory.join("missing.pem");
    let tls = format!("[tls]\ncert = \"{0}\"\nkey = \"{0}\"\n", missing.display());
    let finished = serve(&config(&directory, &tls));
    assert!([Some(1), Some(CONFIG)].contains(&finished.code), "{finished:?}");
    assert!(finished.stderr.contains("missing.pem"), "{finished:?}");

    let nonsense = directory.join("nonsense.pem");
    scratch::secret_file(&nonsense, "-----BEGIN CERTIFICATE-----\nnonsense\n");
    let tls = format!("[tls]\ncert = \"{0}\"\nkey = \"{0}\"\n", nonsense.display());
    let finished = serve(&config(&directory, &tls));
    assert!([Some(1), Some(CONFIG)].contains(&finished.code), "{finished:?}");
    assert!(finished.stderr.contains("nonsense.pem"), "{finished:?}");

    let secret = format!("[auth]\nsecret_file = \"{}\"\n", missing.display());
    let finished = check(&config(&directory, &secret), &[]);
    assert_eq!(finished.code, Some(CONFIG), "{finished:?}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let daemon = Daemon::start();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.exit_code(Duration::from_secs(15)), Some(0));
    let file = daemon.directory().join("gangplank.db");
    let options = SqliteConnectOptions::new().filename(&file);
    let mut database = SqliteConnection::connect_with(&options).await.expect("a database");
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (999999, 'from the future', TRUE, x'00', 0)",
    )
    .execute(&mut database)
    .await
    .expect("a row");
    database.close().await.expect("closed");

    let before = fs::read(&file).expect("a file");
    let mut command = Command::new(program::gangplankd());
    command.args(["up", "--listen", "127.0.0.1:0", "--data-dir"]).arg(daemon.directory());
    let process = Process::start("older gangplankd", &command);
    assert_eq!(process.ended(Duration::from_secs(30)).code(), Some(1), "{}", process.log());
    assert!(process.log().contains("999999"), "{}", process.log());
    assert_eq!(fs::read(&file).expect("a file"), before);
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    let disk = Disk::of("24m");
    let daemon = Daemon::in_directory(&disk.path().join("data"));
    let admin = daemon.admin().await;
    let kept = admin.add_host("before", None).await;

    disk.fill();
    let body = json!({ "friendly_name": "while full", "labels": ["full"] });
    let mut refused = 0;
    for _ in 0..1000 {
        let answer = admin.post("/api/v1/hosts", body.clone()).await;
        match answer.status {
            201 => {}
            500 | 503 | 507 => {
                answer.refused(answer.status);
                refused += 1;
                if refused > 3 {
                    break;
                }
            }
            other => panic!("{other}: {}", answer.text()),
        }
    }
    assert!(refused > 0, "a full disk refused nothing");
    daemon.client().get("/healthz").await.expect(200);
    assert!(daemon.runs());

    disk.free();
    let made = eventually::until(Duration::from_secs(20), "writes to work again", || async {
        let answer = admin.post("/api/v1/hosts", json!({ "friendly_name": "after" })).await;
        (answer.status == 201).then(|| answer.json())
    })
    .await;
    for host in [&kept, &made] {
        let id = host["id"].as_str().expect("an id");
        admin.get(&format!("/api/v1/hosts/{id}")).await.expect(200);
    }
    assert!(!daemon.log().contains("panicked"));
}

#[tokio::test]
async fn a_configured_daemon_serves_and_makes_no_password() {
    let directory = scratch::directory();
    let file = config(&directory, "[server]\nnames = [\"localhost\", \"127.0.0.1\"]\n");
    let mut add = Command::new(program::gangplankd());
    add.args(["user", "add", "operator-in-chief", "--role", "admin", "--config"]).arg(&file);
    let added = process::run_with_input(&add, "CANARY-configured-password\n");
    assert_eq!(added.code, Some(0), "{added:?}");

    let mut command = Command::new(program::gangplankd());
    command.arg("serve").arg("--config").arg(&file);
    let process = Process::start("gangplankd serve", &command);
    let text = fs::read_to_string(&file).expect("a file");
    let address = text.split('"').find(|word| word.starts_with("127.0.0.1:")).expect("an address");
    let url = format!("https://{address}");
    let ca = directory.join("data");
    let client = eventually::until(Duration::from_secs(30), "the daemon to serve", || async {
        let ca = find_ca(&ca)?;
        let client = gangplank_tests::http::Client::new(&url, &fs::read(ca).ok()?);
        client.dial().await.ok().map(|_| client)
    })
    .await;
    client.login("operator-in-chief", "CANARY-configured-password").await;
    assert!(!process.log().contains("CANARY-configured-password"));
    assert!(!process.log().contains("\"password\""));

    let mut health = Command::new(program::gangplankd());
    health.arg("healthcheck").arg("--config").arg(&file);
    assert_eq!(process::run(&health).code, Some(0), "{:?}", process::run(&health));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended(Duration::from_secs(15)).code(), Some(0));
    assert_eq!(process::run(&health).code, Some(1));
}

fn find_ca(directory: &Path) -> Option<PathBuf> {
    fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path()).find_map(|path| {
        if path.is_dir() {
            return find_ca(&path);
        }
        let name = path.file_name()?.to_str()?;
        (name.starts_with("ca") && name.ends_with(".pem") && !name.contains("key")).then_some(path)
    })
}
