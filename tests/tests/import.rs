//! Bringing hosts and users over from PatchMon: out of a real database, and out of real dumps of it.

use std::process::Command;

use gangplank_tests::{
    daemon::Daemon,
    patchmon::{PatchmonAgent, Version},
    postgres::Postgres,
    process::{self, Finished},
    program, scratch,
};
use serde_json::{Value, json};

const KEY: &str = "5d6f2a0c9b1e4837a6c5d4e3f2019b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f20";
const PLAIN_KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
const PASSWORD: &str = "a password of long ago";

/// PatchMon's tables as far as they matter here, with a table that doesn't.
fn patchmon() -> String {
    let bcrypt = |text: &str| format!("crypt('{text}', gen_salt('bf', 10))");
    let (key, password) = (bcrypt(KEY), bcrypt(PASSWORD));
    format!(
        "CREATE EXTENSION pgcrypto;\n\
         CREATE TABLE hosts (id text PRIMARY KEY, machine_id text, friendly_name text NOT NULL, \
           ip text, os_type text NOT NULL, os_version text NOT NULL, architecture text, \
           last_update timestamp NOT NULL DEFAULT now(), status text NOT NULL DEFAULT 'active', \
           api_id text NOT NULL UNIQUE, api_key text NOT NULL, agent_version text, \
           auto_update boolean NOT NULL DEFAULT true, hostname text, disk_details jsonb);\n\
         CREATE TABLE users (id text PRIMARY KEY, username text NOT NULL, email text NOT NULL, \
           password_hash text, role text NOT NULL DEFAULT 'user', \
           is_active boolean NOT NULL DEFAULT true, tfa_enabled boolean NOT NULL DEFAULT false);\n\
         CREATE TABLE role_permissions (id text PRIMARY KEY, role text NOT NULL UNIQUE, \
           can_view_hosts boolean NOT NULL DEFAULT true, \
           can_manage_hosts boolean NOT NULL DEFAULT false);\n\
         CREATE TABLE packages (id text PRIMARY KEY, name text);\n\
         INSERT INTO packages VALUES ('1', 'COPY public.hosts (id) FROM stdin;');\n\
         INSERT INTO hosts (id, friendly_name, ip, os_type, os_version, api_id, api_key, \
           agent_version, hostname, disk_details) VALUES \
           ('1', E'web\\t\"1\"', '192.0.2.9', 'Ubuntu', '22.04', 'patchmon_00000000000000aa', \
            {key}, '1.4.2', 'web1', '[{{\"name\": \"a\\\\tb\"}}]'), \
           ('2', 'db', NULL, 'Debian', '12', 'patchmon_00000000000000bb', '{PLAIN_KEY}', NULL, \
            NULL, NULL), \
           ('3', 'odd', NULL, 'Debian', '12', 'patchmon_00000000000000cc', '$unknown$x', NULL, \
            NULL, NULL);\n\
         INSERT INTO users (id, username, email, password_hash, role, is_active) VALUES \
           ('1', 'Root', 'r@example.com', {password}, 'superadmin', true), \
           ('2', 'ops', 'o@example.com', {password}, 'oncall', true), \
           ('3', 'gone', 'g@example.com', {password}, 'user', false), \
           ('4', 'sso', 's@example.com', NULL, 'admin', true);\n\
         INSERT INTO role_permissions VALUES ('1', 'oncall', true, true);"
    )
}

fn import(daemon: &Daemon, from: &str, password: Option<&str>, more: &[&str]) -> Finished {
    let mut command = Command::new(program::gangplankd());
    command.args(["import", "patchmon", "--json", "--from", from]).args(more);
    command.arg("--data-dir").arg(daemon.directory());
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    process::run(&command)
}

fn summary(finished: &Finished) -> Value {
    assert_eq!(finished.code, Some(0), "{finished:?}");
    serde_json::from_str(&finished.stdout).expect("JSON and nothing else")
}

fn counts(tally: &Value) -> [usize; 3] {
    ["taken", "present", "refused"].map(|kind| tally[kind].as_array().expect("a list").len())
}

#[tokio::test]
async fn hosts_and_users_come_over_as_they_are() {
    let server = Postgres::start().await;
    server.run(&patchmon()).await;
    let directory = scratch::directory();
    let (plain, custom) = (directory.join("plain.sql"), directory.join("custom.dump"));
    server.dump(&plain, &[]);
    server.dump(&custom, &["--format=custom"]);

    let (url, password) = (server.url(), Some(server.password()));
    let sources = [
        (url.as_str(), password),
        (plain.to_str().expect("UTF-8"), None),
        (custom.to_str().expect("UTF-8"), None),
    ];
    for (from, password) in sources {
        let daemon = Daemon::start();
        let admin = daemon.admin().await;
        let dry = summary(&import(&daemon, from, password, &["--dry-run"]));
        assert_eq!((counts(&dry["hosts"]), counts(&dry["users"])), ([2, 0, 1], [3, 0, 1]), "{dry}");
        let hosts = admin.get("/api/v1/hosts").await.expect(200).json();
        assert_eq!(hosts["items"], json!([]), "a dry run changes nothing");

        let done = summary(&import(&daemon, from, password, &[]));
        assert_eq!((&done["hosts"], &done["users"]), (&dry["hosts"], &dry["users"]));
        let again = summary(&import(&daemon, from, password, &[]));
        assert_eq!((counts(&again["hosts"]), counts(&again["users"])), ([0, 2, 1], [0, 3, 1]));

        let hosts = admin.get("/api/v1/hosts").await.expect(200).json();
        let web = &hosts["items"][0];
        assert_eq!(web["friendly_name"], "web\u{fffd}\"1\"");
        assert_eq!((&web["agent"], &web["os"]), (&json!("patchmon"), &json!("Ubuntu")));
        // The agent said where it is; nobody has entered it.
        assert!(web["address"].is_null(), "{web}");
        for (api_id, key) in [
            ("patchmon_00000000000000aa", KEY),
            ("patchmon_00000000000000bb", PLAIN_KEY),
            // The form has been brought into ours.
            ("patchmon_00000000000000aa", KEY),
        ] {
            let host = json!({ "api_id": api_id, "api_key": key });
            let agent = PatchmonAgent::start(&daemon.client(), Version::V14, &host).await;
            agent.ping().await;
        }
        let upgraded = admin.get("/api/v1/audit?limit=500").await.expect(200).json();
        let upgraded = upgraded["items"].as_array().expect("a list").iter();
        assert_eq!(upgraded.filter(|row| row["action"] == "host.key_upgrade").count(), 2);

        for (name, role) in [("root", "admin"), ("ops", "operator")] {
            for _ in 0..2 {
                let user = daemon.client().login(name, PASSWORD).await;
                let me = user.get("/api/v1/auth/me").await.expect(200).text();
                assert!(me.contains(role), "{me}");
            }
        }
        daemon.client().try_login("gone", PASSWORD).await.refused(401);
        daemon.client().try_login("sso", "").await.refused(401);
    }
}

#[tokio::test]
async fn what_is_no_dump_of_patchmon_s_is_refused_and_nothing_comes() {
    let daemon = Daemon::start();
    let directory = scratch::directory();
    let file = |name: &str, text: &[u8]| {
        let path = directory.join(name);
        std::fs::write(&path, text).expect("our own directory");
        path.to_str().expect("UTF-8").to_owned()
    };
    let hosts = b"COPY public.hosts (id, api_id, api_key, friendly_name) FROM stdin;\n\\.\n";
    for (from, why) in [
        (directory.join("missing").display().to_string(), "No such file"),
        (file("empty.sql", b""), "no table hosts"),
        (file("packed.sql.gz", &[0x1f, 0x8b, 8, 0]), "gunzip"),
        (file("broken.dump", b"PGDMP and then nothing"), "pg_restore"),
        (file("inserts.sql", b"INSERT INTO public.hosts VALUES (1);\n"), "--inserts"),
        (file("no-users.sql", hosts), "no table users"),
        ("postgres://nobody@127.0.0.1:1/none".to_owned(), "database"),
    ] {
        let finished = import(&daemon, &from, None, &[]);
        assert_eq!(finished.code, Some(1), "{from}: {finished:?}");
        assert!(finished.stderr.contains(why), "{from}: {finished:?}");
        assert_eq!(finished.stdout, "");
    }
    let hosts = daemon.admin().await.get("/api/v1/hosts").await.expect(200).json();
    assert_eq!(hosts["items"], json!([]));
}
