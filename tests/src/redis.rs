//! A real Redis server that keeps what it acknowledged, for streams that are read from it.

use std::{path::PathBuf, process::Command, sync::Mutex, time::Duration};

use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};

use crate::{account::canary, eventually, process::Process, program, scratch, sshd::free_port};

/// A server on a loopback port.
#[derive(Debug)]
pub struct Redis {
    directory: PathBuf,
    port: u16,
    password: String,
    process: Mutex<Process>,
}

impl Redis {
    /// Starts one that is empty.
    pub async fn start() -> Self {
        let (directory, port, password) = (scratch::directory(), free_port(), canary("redis"));
        let process = Mutex::new(launch(&directory, port, &password));
        let server = Self { directory, port, password, process };
        server.connection().await;
        server
    }

    /// Its URL, with the password.
    pub fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}/", self.password, self.port)
    }

    /// Kills it without warning.
    pub fn kill(&self) {
        self.process.lock().expect("no panic while it was held").kill();
    }

    /// Starts it again, with what it had acknowledged.
    pub async fn start_again(&self) {
        let again = launch(&self.directory, self.port, &self.password);
        *self.process.lock().expect("no panic while it was held") = again;
        self.connection().await;
    }

    /// A connection, once the server answers.
    pub async fn connection(&self) -> MultiplexedConnection {
        let client = Client::open(self.url()).expect("a URL");
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(Duration::from_secs(5)));
        eventually::until(Duration::from_secs(30), "Redis to answer", || async {
            let mut connection =
                client.get_multiplexed_async_connection_with_config(&config).await.ok()?;
            // It loads what it has first.
            redis::cmd("PING").query_async::<String>(&mut connection).await.ok()?;
            Some(connection)
        })
        .await
    }
}

fn launch(directory: &std::path::Path, port: u16, password: &str) -> Process {
    let mut command = Command::new(program::installed("redis-server"));
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--requirepass", password, "--save", ""]);
    command.args(["--appendonly", "yes", "--appendfsync", "always"]);
    command.arg("--dir").arg(directory);
    Process::start("redis-server", &command)
}
