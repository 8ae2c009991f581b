//! What a configuration may and may not say.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::file::{Lock, LockError};
use super::*;

const GOOD: &str = r#"
[server]
url = "https://relay.example:8443"
[credentials]
api_id = "gp_0123456789abcdef"
api_key = "fedcba9876543210"
"#;

struct Fixture {
    directory: tempfile::TempDir,
}

impl Fixture {
    fn new(text: &str) -> Self {
        let fixture = Self { directory: tempfile::tempdir().unwrap() };
        fixture.write("agent.toml", text);
        fixture
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("agent.toml")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::load(&self.path(), &variables.iter().copied().collect())
    }

    /// The keys of all problems, and the whole text.
    fn problems(&self, variables: &[(&str, &str)]) -> (Vec<String>, String) {
        let error = self.load(variables).unwrap_err();
        let keys = error.problems.iter().map(|problem| problem.key.clone()).collect();
        (keys, error.to_string())
    }
}

#[test]
fn a_short_file_means_safe_defaults() {
    let config = Fixture::new(GOOD).load(&[]).unwrap();
    assert_eq!(config.local.policy, Policy::default());
    assert_eq!(config.local.log, Level::Info);
    assert_eq!(config.local.ssh_dir, Path::new("/etc/ssh"));
    assert!(config.server.trust.verifies());
    assert!(!format!("{config:?}").contains("fedcba9876543210"), "{config:?}");
}

#[test]
fn the_policy_is_read() {
    let text = "[policy]\nterminal = [\"pty\"]\ntargets = [\"[::1]:*\"]\nusers = [\"ada\"]\n\
                scan = true\n";
    let policy = Fixture::new(&format!("{GOOD}{text}")).load(&[]).unwrap().local.policy;
    assert_eq!((policy.ssh, policy.pty, policy.scan, policy.tools), (false, true, true, false));
    assert!(policy.targets[0].covers("::1", 1) && policy.targets.len() == 1);
    assert_eq!(policy.users, Some(vec!["ada".to_owned()]));
}

#[test]
fn the_environment_wins_over_the_file() {
    let text = format!("{GOOD}[policy]\nterminal = [\"pty\"]\n");
    let variables = [
        ("GANGPLANK_SERVER__URL", "other.example"),
        ("GANGPLANK_POLICY__TERMINAL", "ssh, pty"),
        ("GANGPLANK_POLICY__TARGETS", "a:1,b:2"),
        ("GANGPLANK_LOG__LEVEL", "debug"),
        // Of the daemon, which may run in the same environment.
        ("GANGPLANK_LISTEN__ADDRESS", "127.0.0.1:1"),
    ];
    let config = Fixture::new(&text).load(&variables).unwrap();
    assert_eq!(config.server.url.host(), "other.example");
    assert!(config.local.policy.ssh && config.local.policy.pty);
    assert_eq!(config.local.policy.targets.len(), 2);
    assert_eq!(config.local.log, Level::Debug);
}

#[test]
fn every_unknown_key_is_named() {
    let text = format!("{GOOD}[policy]\nterminl = []\n[colour]\nred = 1\n").replacen(
        "url =",
        "uri = \"x\"\nurl =",
        1,
    );
    let fixture = Fixture::new(&format!("stray = 1\n{text}"));
    let (mut keys, shown) = fixture.problems(&[("GANGPLANK_POLICY__USER", "x")]);
    keys.sort();
    let expected =
        ["GANGPLANK_POLICY__USER", "colour.red", "policy.terminl", "server.uri", "stray"];
    assert_eq!(keys, expected, "{shown}");
    assert!(shown.contains("write policy.terminal"), "{shown}");
}

#[test]
fn wrong_values_are_named_and_secrets_not_shown() {
    for (line, key) in [
        ("[log]\nlevel = \"loud\"", "log.level"),
        ("[policy]\ntools = \"yes\"", "policy.tools"),
        ("[policy]\nterminal = [\"telnet\"]", "policy.terminal"),
        ("[policy]\ntargets = [\"localhost\"]", "policy.targets"),
        ("[policy]\nusers = \"ada\"", "policy.users"),
    ] {
        let (keys, shown) = Fixture::new(&format!("{GOOD}{line}\n")).problems(&[]);
        assert_eq!(keys, [key], "{shown}");
    }
    for (from, to, key) in [
        ("https://relay.example:8443", "ftp://relay.example", "server.url"),
        ("https://relay.example:8443", "https://u:hunter2@relay.example", "server.url"),
        ("\"fedcba9876543210\"", "\"hunter2 hunter2\"", "credentials.api_key"),
        ("\"fedcba9876543210\"", "[\"hunter2\"]", "credentials.api_key"),
        ("gp_0123456789abcdef", "hunter2 hunter2", "credentials.api_id"),
    ] {
        let (keys, shown) = Fixture::new(&GOOD.replace(from, to)).problems(&[]);
        assert_eq!(keys[0], key, "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    // A line that isn't TOML may be a secret's.
    let (keys, shown) = Fixture::new(&GOOD.replace("api_key =", "api_key hunter2")).problems(&[]);
    assert!(keys[0].ends_with("agent.toml, line 6") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_missing_file_and_missing_keys_say_how_to_get_them() {
    let fixture = Fixture::new("");
    let (keys, shown) = fixture.problems(&[]);
    assert_eq!(keys, ["server.url"], "{shown}");
    assert!(shown.contains("gangplank-agent enroll"), "{shown}");
    fs::remove_file(fixture.path()).unwrap();
    let (keys, shown) = fixture.problems(&[]);
    assert_eq!(keys, [fixture.path().display().to_string()], "{shown}");
    assert!(Local::load(&fixture.path(), &Environment::default()).is_ok());
}

#[test]
fn others_may_not_read_it() {
    let fixture = Fixture::new(GOOD);
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(fixture.path(), fs::Permissions::from_mode(mode)).unwrap();
        let (_, shown) = fixture.problems(&[]);
        assert!(shown.contains("chmod 600"), "{mode:o}: {shown}");
    }
}

#[test]
fn production_forbids_what_is_insecure() {
    let production = [("GANGPLANK_ENV", "production")];
    let skip =
        Fixture::new(&GOOD.replace("[credentials]", "skip_ssl_verify = true\n[credentials]"));
    assert!(!skip.load(&[]).unwrap().server.trust.verifies());
    assert_eq!(skip.problems(&production).0, ["server.skip_ssl_verify"]);
    let plain = Fixture::new(&GOOD.replace("https:", "http:"));
    plain.load(&[]).unwrap();
    assert_eq!(plain.problems(&production).0, ["server.url"]);
}

#[test]
fn secrets_come_by_file_or_by_systemd() {
    let text = "[server]\nurl = \"a\"\n[credentials]\napi_id = \"gp_1\"\napi_key_file = \"key\"\n";
    let fixture = Fixture::new(text);
    fixture.write("key", "from-file\n");
    let key = |config: Config| config.credentials.api_key.expose().to_owned();
    assert_eq!(key(fixture.load(&[]).unwrap()), "from-file");
    let variable = [("GANGPLANK_CREDENTIALS__API_KEY", "from-variable")];
    assert_eq!(key(fixture.load(&variable).unwrap()), "from-variable");
    let twice = Fixture::new(&format!("{text}api_key = \"x\"\n"));
    assert_eq!(twice.problems(&[]).0, ["credentials.api_key"]);

    let bare = Fixture::new("[server]\nurl = \"a\"\n");
    bare.write("api_id", "gp_2\n");
    bare.write("api_key", "from-systemd\n");
    let directory = bare.directory.path().display().to_string();
    let config = bare.load(&[("CREDENTIALS_DIRECTORY", directory.as_str())]).unwrap();
    assert_eq!(
        (config.credentials.api_id.as_str(), key(config.clone()).as_str()),
        ("gp_2", "from-systemd")
    );
}

#[test]
fn the_named_ca_must_be_one() {
    let text = GOOD.replace("[credentials]", "ca = \"ca.pem\"\n[credentials]");
    let fixture = Fixture::new(&text);
    assert_eq!(fixture.problems(&[]).0, ["server.ca"]);
    fixture.write("ca.pem", "not a certificate");
    assert_eq!(fixture.problems(&[]).0, ["server.ca"]);
}

#[test]
fn one_agent_runs_from_one_file() {
    let fixture = Fixture::new(GOOD);
    let path = fixture.path();
    assert_eq!(Lock::holder_says(&path), None);
    let lock = Lock::take(&path).unwrap();
    assert!(matches!(Lock::take(&path), Err(LockError::Held(_))));
    lock.say("connected");
    lock.say("ok");
    assert_eq!(Lock::holder_says(&path).as_deref(), Some("ok"));
    drop(lock);
    Lock::take(&path).unwrap();
}
