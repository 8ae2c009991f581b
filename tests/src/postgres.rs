//! A real PostgreSQL server, for what reads other people's databases.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::unistd::Uid;
use sqlx::{Connection as _, PgConnection};

use crate::{
    account::{Account, canary},
    eventually, process,
    process::Process,
    program, scratch,
    sshd::free_port,
};

/// A server on a loopback port, with one user and one database.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    port: u16,
    password: String,
    _process: Process,
}

/// Name of the user and of the database.
const NAME: &str = "patchmon";

impl Postgres {
    /// Makes a cluster and starts it.
    pub async fn start() -> Self {
        let programs = programs();
        let (directory, port, password) = (scratch::directory(), free_port(), canary("database"));
        // It does not run as root.
        let account = Uid::effective().is_root().then(Account::create);
        let run_as = |program: &str| {
            let mut command = Command::new(program::installed("setpriv"));
            if let Some(account) = &account {
                let (user, group) =
                    (format!("--reuid={}", account.name), format!("--regid={}", account.name));
                command.args([user, group, "--clear-groups".to_owned()]);
            }
            // Changing the user takes away what binds it to us.
            command.args(["--pdeathsig", "KILL", "--"]).arg(programs.join(program));
            command
        };
        if let Some(account) = &account {
            let owner = Command::new(program::installed("chown"))
                .arg(&account.name)
                .arg(&directory)
                .status();
            assert!(owner.is_ok_and(|status| status.success()));
        }
        let secret = directory.join("password");
        fs::write(&secret, &password).expect("our own directory");
        let data = directory.join("data");
        let mut make = run_as("initdb");
        make.args(["--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C"]);
        make.arg(format!("--username={NAME}")).arg(format!("--pwfile={}", secret.display()));
        process::succeed(make.arg("--pgdata").arg(&data));
        let mut command = run_as("postgres");
        command.arg("-D").arg(&data).args(["-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", "unix_socket_directories=", "-c", "fsync=off"]);
        command.args(["-c", &format!("port={port}")]);
        let process = Process::start("postgres", &command);
        let server = Self { programs, port, password, _process: process };
        eventually::until(Duration::from_secs(60), "PostgreSQL to answer", || async {
            PgConnection::connect(&server.url_of("postgres")).await.ok()
        })
        .await;
        server.run_in("postgres", &format!("CREATE DATABASE {NAME}")).await;
        server
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://{NAME}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// Its address, without the password.
    pub fn url(&self) -> String {
        format!("postgres://{NAME}@127.0.0.1:{}/{NAME}", self.port)
    }

    /// The password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Runs statements.
    pub async fn run(&self, sql: &str) {
        self.run_in(NAME, sql).await;
    }

    async fn run_in(&self, database: &str, sql: &str) {
        let mut connection =
            PgConnection::connect(&self.url_of(database)).await.expect("a running server");
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(&mut connection).await.expect("SQL that PostgreSQL takes");
    }

    /// Writes a dump.
    pub fn dump(&self, to: &Path, options: &[&str]) {
        let mut command = Command::new(self.programs.join("pg_dump"));
        command.args(options).arg("--file").arg(to).arg(self.url());
        process::succeed(command.env("PGPASSWORD", &self.password));
    }
}

/// Where the server's programs are: Debian keeps them apart, by version.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let kept = versions.map(|version| version.path().join("bin"));
    let found = kept.filter(|directory| directory.join("initdb").is_file()).max();
    found.unwrap_or_else(|| {
        let program = program::installed("initdb");
        program.parent().expect("a directory").to_owned()
    })
}
