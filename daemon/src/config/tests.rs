#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use super::*;

fn sources(file: &str, environment: &[(&str, &str)]) -> (Sources, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gangplankd.toml");
    std::fs::write(&path, file).unwrap();
    let environment: BTreeMap<_, _> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    (Sources { file: Some(path), flags: Vec::new(), environment }, directory)
}

fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let (sources, _directory) = sources(file, environment);
    build::build(&sources, RunMode::Serve, Some(8 << 30))
}

/// The keys that are wrong.
fn wrong(file: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let error = load(file, environment).unwrap_err();
    for problem in &error.0 {
        assert!(!problem.fix.is_empty() && !problem.reason.is_empty() && !problem.place.is_empty());
    }
    error.0.into_iter().map(|problem| problem.key).collect()
}

#[test]
fn nothing_configured_is_a_good_configuration() {
    let config = load("", &[]).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("/var/lib/gangplank"));
    assert_eq!(config.listen.tls, ["[::]:8443".parse().unwrap()]);
    assert_eq!(config.limits.message, 1 << 20);
    assert_eq!(config.limits.terminal_idle, Duration::from_secs(1800));
    assert!(config.auth.legacy_cookie && config.limits.connections > 0);
    assert!(load("", &[("GANGPLANK_ENV", "production")]).is_ok());
    let home = [("HOME", "/home/x")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let sources = Sources { environment: home, ..Sources::default() };
    let up = build::build(&sources, RunMode::Up, None).unwrap();
    assert_eq!(up.data_dir, PathBuf::from("/home/x/.local/share/gangplank"));
    assert_eq!(up.listen.tls, ["127.0.0.1:8443".parse().unwrap()]);
}

#[test]
fn every_section_is_read() {
    let config = load(
        r#"
        data_dir = "/srv/gangplank"
        [listen]
        tls = ["0.0.0.0:443"]
        redirect = ["0.0.0.0:80"]
        behind_proxy = { address = "127.0.0.1:8080", trusted = ["127.0.0.1/32", "10.0.0.0/8"] }
        [server]
        names = ["relay.example.com", "192.0.2.7"]
        public_url = "https://relay.example.com/"
        [tls]
        cert = "/etc/cert.pem"
        key = "/etc/key.pem"
        [auth]
        origins = ["https://ops.example.com", "http://localhost:5173"]
        legacy_cookie = false
        [ssh]
        deny = ["10.0.0.0/8"]
        allow_unverified = false
        [limits]
        message = 65536
        replay_ring = "2 MiB"
        heartbeat = "15s"
        sockets_per_user = 7
        [log]
        level = "debug"
        format = "json"
        "#,
        &[],
    )
    .unwrap();
    let proxy = config.listen.behind_proxy.unwrap();
    assert_eq!((proxy.address.port(), proxy.trusted.len()), (8080, 2));
    assert_eq!(config.server.names.len(), 2);
    assert_eq!(config.server.public_url.as_deref(), Some("https://relay.example.com"));
    assert_eq!(config.tls.unwrap().key, PathBuf::from("/etc/key.pem"));
    assert_eq!(config.auth.origins.len(), 2);
    assert!(!config.auth.legacy_cookie && config.auth.legacy_query_token);
    assert!(!config.ssh.allow_unverified && config.ssh.deny.len() == 1);
    assert_eq!((config.limits.message, config.limits.replay_ring), (65_536, 2 << 20));
    assert_eq!(config.limits.heartbeat, Duration::from_secs(15));
    assert_eq!((config.log.level, config.log.format), (tracing::Level::DEBUG, LogFormat::Json));
}

#[test]
fn flags_win_over_variables_over_credentials_over_the_file() {
    let file = "[limits]\nheartbeat = \"10s\"\nfirst_message = \"10s\"\nestablish = \"11s\"\n\
                [auth]\nsecret = \"file-file-file-file-file-file-file-file\"";
    let (mut sources, directory) = sources(
        file,
        &[
            ("GANGPLANK_LIMITS__HEARTBEAT", "20s"),
            ("GANGPLANK_LIMITS__FIRST_MESSAGE", "20s"),
            ("ALLOW_ORIGINS", "https://a.example, https://b.example"),
            ("GANGPLANK_LISTEN__BEHIND_PROXY__ADDRESS", "127.0.0.1:1"),
            ("GANGPLANK_LISTEN__BEHIND_PROXY__TRUSTED", "127.0.0.1/32"),
            ("GANGPLANK_DATA_DIR", "/elsewhere"),
            ("GANGPLANK_CONSOLE_DIR", "of somebody else"),
        ],
    );
    sources.flags.push(("limits.heartbeat", "--heartbeat", "30s".to_owned()));
    let load = |sources: &Sources| build::build(sources, RunMode::Serve, None).unwrap();
    let config = load(&sources);
    assert_eq!(config.limits.heartbeat, Duration::from_secs(30));
    assert_eq!(config.limits.first_message, Duration::from_secs(20));
    assert_eq!(config.limits.establish, Duration::from_secs(11));
    assert_eq!(config.auth.origins, ["https://a.example", "https://b.example"]);
    assert_eq!(config.data_dir, PathBuf::from("/elsewhere"));
    assert!(config.auth.secret.unwrap().expose().starts_with("file"));

    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    write("auth.secret", &"credential".repeat(4));
    let credentials = directory.path().display().to_string();
    sources.environment.insert("CREDENTIALS_DIRECTORY".to_owned(), credentials);
    assert!(load(&sources).auth.secret.unwrap().expose().starts_with("credential"));
    let file = write("s", &format!("{}\n", "variable".repeat(4)));
    sources.environment.insert("GANGPLANK_AUTH__SECRET_FILE".to_owned(), file);
    let secret = load(&sources).auth.secret.unwrap();
    assert_eq!(secret.expose(), "variable".repeat(4));
}

#[test]
fn every_problem_is_told_with_its_full_path() {
    let keys = wrong(
        r#"
        colour = "red"
        [limits]
        estabish = "10s"
        heartbeat = "soon"
        message = "2 GiB"
        sockets_per_user = "12"
        [listen]
        tls = ["localhost"]
        [auth]
        origins = ["https://a.example/"]
        legacy_cookie = "yes"
        [tls]
        cert = "/etc/cert.pem"
        [log.level]
        x = 1
        "#,
        &[("GANGPLANK_LIMITS__TERMINALS", "many"), ("GANGPLANK_SSH__ALOW", "")],
    );
    for key in [
        "colour",
        "limits.estabish",
        "limits.heartbeat",
        "limits.message",
        "limits.sockets_per_user",
        "listen.tls",
        "auth.origins",
        "auth.legacy_cookie",
        "tls.key",
        "log.level",
        "limits.terminals",
        "ssh.alow",
    ] {
        assert!(keys.iter().any(|wrong| wrong == key), "{key} in {keys:?}");
    }
    assert_eq!(keys.len(), 12, "{keys:?}");
}

#[test]
fn origins_are_taken_only_as_browsers_write_them() {
    for origin in ["https://a.example", "https://a.example:8443", "http://localhost:5173", "*"] {
        assert!(load(&format!("auth.origins = [{origin:?}]"), &[]).is_ok(), "{origin}");
    }
    for origin in [
        "a.example",
        "https://A.example",
        "https://a.example:443",
        "https://a.example/",
        "https://a.example/x",
        "https://*.example",
        "https://u@a.example",
        "null",
        "ftp://a.example",
    ] {
        let keys = wrong(&format!("auth.origins = [{origin:?}]"), &[]);
        assert_eq!(keys, ["auth.origins"], "{origin}");
    }
}

#[test]
fn production_forbids_every_insecure_switch_by_name() {
    for (file, key) in [
        ("auth.origins = [\"*\"]", "auth.origins"),
        ("auth.legacy_query_token = true", "auth.legacy_query_token"),
        ("auth.legacy_cookie = true", "auth.legacy_cookie"),
        ("listen.plain = [\"127.0.0.1:8080\"]", "listen.plain"),
    ] {
        assert!(load(file, &[]).is_ok(), "{file}");
        assert_eq!(wrong(file, &[("GANGPLANK_ENV", "production")]), [key]);
    }
    for key in ["auth.secret", "internal.hmac_secret", "internal.token"] {
        let file = format!("{key} = \"{}\"", "x".repeat(31));
        assert_eq!(wrong(&file, &[("GANGPLANK_ENV", "production")]), [key]);
        let file = format!("{key} = \"{}\"", "x".repeat(32));
        assert!(load(&file, &[("GANGPLANK_ENV", "production")]).is_ok());
    }
    assert_eq!(wrong("", &[("GANGPLANK_ENV", "prodution")]), ["GANGPLANK_ENV"]);
}

#[test]
fn a_file_that_cannot_be_read_is_told_so() {
    let sources = Sources { file: Some("/nonexistent/x.toml".into()), ..Sources::default() };
    let error = build::build(&sources, RunMode::Serve, None).unwrap_err();
    assert_eq!(error.0[0].key, "/nonexistent/x.toml");
    let error = load("[limits\n", &[]).unwrap_err();
    assert!(error.to_string().contains("line 1"), "{error}");
    assert_eq!(wrong("auth.secret_file = \"/nonexistent\"", &[]), ["auth.secret"]);
    let both = "auth.secret = \"0123456789012345678901234567890123456789\"\n\
                auth.secret_file = \"/proc/self/status\"";
    assert_eq!(wrong(both, &[]), ["auth.secret"]);
}

#[test]
fn limits_beyond_the_machine_are_refused() {
    let error = load("limits.connections = 1_000_000", &[]).unwrap_err();
    assert_eq!(error.0[0].key, "limits");
    assert!(error.0[0].reason.contains("MiB"), "{error}");
}

#[test]
fn secrets_are_shown_nowhere() {
    let canary = "canary-canary-canary-canary-canary-canary";
    let config = load(
        &format!("auth.secret = \"{canary}\"\ninternal.token = \"{canary}\""),
        &[("GANGPLANK_INTERNAL__HMAC_SECRET", canary)],
    )
    .unwrap();
    let shown = [
        format!("{config:?}"),
        config.effective().to_string(),
        config.effective_json().to_string(),
        load("auth.secret = \"short-canary\"", &[]).unwrap_err().to_string(),
        load("internal.token = [\"short-canary\"]", &[]).unwrap_err().to_string(),
    ];
    for text in shown {
        assert!(!text.contains("canary"), "{text}");
    }
    let effective = config.effective().to_string();
    assert!(effective.contains("auth.secret = \"(hidden)\""));
    assert!(effective.contains("limits.message = \"1 MiB\"  # default"), "{effective}");
}
