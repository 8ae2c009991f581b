//! Stopping, reloading, and coming back.

use std::{fs, time::Duration};

use gangplank_tests::{
    account::random,
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    eventually,
    fleet::Fleet,
    http::Client,
    page::Page,
    process::Process,
    program, scratch,
};
use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;

#[tokio::test]
async fn stopping_says_goodbye_and_when_to_come_back() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let agent = Agent::enrol(&daemon, &admin, &Policy::everything("localhost:22")).await;
    let mut page = Page::open(&admin, agent.host()).await;
    page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
    page.proves_a_shell().await;
    let mut events = admin.upgrade("/api/v1/ws/events?topics=hosts").open().await.expect("101");
    let host = admin.add_host("bare", None).await;
    let bare = daemon.client().with_origin(None);
    let mut socket = bare
        .upgrade("/api/v1/agents/ws")
        .header("X-API-ID", host["api_id"].as_str().expect("an id"))
        .header("X-API-KEY", host["api_key"].as_str().expect("a key"))
        .open()
        .await
        .expect("an upgrade");
    // A connection that says nothing must not hold up the end.
    let _idle = daemon.client().dial().await.expect("a connection");

    daemon.signal(Signal::SIGTERM);
    for closed in [
        page.ended(Duration::from_secs(12)).await,
        events.closed(Duration::from_secs(12)).await,
        socket.closed(Duration::from_secs(12)).await,
    ] {
        assert_eq!(closed.code, 1001, "{closed:?}");
        let wait = closed.reason.strip_prefix("retry_in=").and_then(|text| text.parse().ok());
        assert!(wait.is_some_and(|wait: u64| wait <= 60_000), "{closed:?}");
    }
    assert_eq!(daemon.exit_code(Duration::from_secs(12)), Some(0));
}

#[tokio::test]
async fn a_second_instance_on_the_same_data_is_refused() {
    let daemon = Daemon::start();
    let mut command = std::process::Command::new(program::gangplankd());
    command.args(["up", "--listen", "127.0.0.1:0", "--data-dir"]).arg(daemon.directory());
    let second = Process::start("second gangplankd", &command);
    let code = second.ended(Duration::from_secs(20)).code();
    assert_eq!(code, Some(1), "{}", second.log());
    assert!(!second.log().contains("panicked"));
    daemon.client().get("/healthz").await.expect(200);
}

#[tokio::test]
async fn killing_it_loses_nothing_that_was_acknowledged() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    for round in 0..3 {
        let host = admin.add_host(&format!("kept {round}"), None).await;
        let id = host["id"].as_str().expect("an id");
        daemon.kill();
        daemon.start_again();
        // The login is kept as well.
        admin.get(&format!("/api/v1/hosts/{id}")).await.expect(200);
    }
}

/// The service manager keeps the listening socket, so that whoever comes while the daemon is
/// restarted waits a moment and is served.
#[tokio::test]
async fn a_planned_restart_refuses_nobody() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("an address");
    let directory = scratch::directory();
    let start = || {
        let mut command = std::process::Command::new(program::gangplankd());
        command.args(["up", "--json", "--data-dir"]).arg(&directory);
        let process = Process::start_activated("gangplankd", &command, "tls", &socket);
        let ready = gangplank_tests::daemon::ready(&process);
        (process, ready)
    };
    let (mut process, ready) = start();
    let url = format!("https://{address}");
    let client = Client::new(&url, &fs::read(&ready.ca).expect("a CA"));
    client.get("/healthz").await.expect(200);
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let hammer = tokio::task::spawn_blocking(move || {
        let (mut connects, mut refused) = (0, 0);
        let mut waiting = std::collections::VecDeque::new();
        while stopped.try_recv().is_err() {
            connects += 1;
            match std::net::TcpStream::connect(address) {
                // Held for a while, so that it waits in the socket's own queue.
                Ok(stream) => waiting.push_back(stream),
                Err(_) => refused += 1,
            }
            if waiting.len() > 50 {
                waiting.pop_front();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        (connects, refused)
    });
    for _ in 0..3 {
        process.signal(Signal::SIGTERM);
        assert_eq!(process.ended(Duration::from_secs(12)).code(), Some(0));
        for _ in 0..20 {
            std::net::TcpStream::connect(address).expect("a socket that somebody listens on");
        }
        // Asked for while nobody is there, answered by the next one.
        let early = tokio::spawn({
            let client = client.clone();
            async move { client.get("/healthz").await }
        });
        (process, _) = start();
        early.await.expect("an answer").expect(200);
    }
    stop.send(()).expect("a hammer");
    let (connects, refused) = hammer.await.expect("a count");
    assert!(connects > 0 && refused == 0, "{refused} of {connects} refused");
}

/// A certificate chain and key for the daemon's address, signed by a CA of the test's own.
struct Given {
    directory: std::path::PathBuf,
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Given {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
        let given = Self { directory: scratch::directory(), ca: ca.expect("a CA") };
        fs::write(given.directory.join("ca.pem"), given.ca.pem()).expect("our own directory");
        given.issue();
        given
    }

    /// A new leaf with a new serial number, in place of the last one.
    fn issue(&self) -> Vec<u8> {
        let key = KeyPair::generate().expect("a key");
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let mut params = CertificateParams::new(names).expect("names");
        params.serial_number = Some(rcgen::SerialNumber::from_slice(&random::<8>()));
        let leaf = params.signed_by(&key, &self.ca).expect("a leaf");
        // As tools do it: the pair is complete when both files have been renamed.
        for (name, text) in [("key.pem", key.serialize_pem()), ("chain.pem", leaf.pem())] {
            let new = self.directory.join(format!("{name}.new"));
            scratch::secret_file(&new, &text);
            fs::rename(&new, self.directory.join(name)).expect("our own directory");
        }
        leaf.der().to_vec()
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().expect("UTF-8").to_owned()
    }
}

#[tokio::test]
async fn a_new_certificate_is_served_without_a_restart_and_a_bad_one_is_not() {
    let given = Given::new();
    let (chain, key) = (given.path("chain.pem"), given.path("key.pem"));
    let daemon = Daemon::with(&[("tls.cert", &chain), ("tls.key", &key)]);
    let fleet = Fleet::around(daemon.with_ca(&given.directory.join("ca.pem"))).await;
    let admin = fleet.admin().await;
    let mut page = Page::open(&admin, fleet.host()).await;
    page.connected(fleet.pty()).await;

    // By SIGHUP.
    let renewed = given.issue();
    fleet.daemon.signal(Signal::SIGHUP);
    served(&fleet, &given, &renewed).await;
    // By itself, when the files have changed.
    let renewed = given.issue();
    served(&fleet, &given, &renewed).await;

    // A key that doesn't fit.
    let other = KeyPair::generate().expect("a key");
    scratch::secret_file(&given.directory.join("key.pem"), &other.serialize_pem());
    fleet.daemon.signal(Signal::SIGHUP);
    eventually::eventually("the daemon to say that the pair is bad", || {
        let told = |line: &str| line.contains("ERROR") && line.contains("key.pem");
        fleet.daemon.log().lines().any(told).then_some(())
    });
    served(&fleet, &given, &renewed).await;
    assert!(fleet.daemon.runs());
    page.proves_a_shell().await;
}

async fn served(fleet: &Fleet, given: &Given, wanted: &[u8]) {
    eventually::until(Duration::from_secs(15), "the new certificate", || async {
        let ca = fs::read(given.directory.join("ca.pem")).expect("a file");
        let leaf = gangplank_tests::http::Client::new(&fleet.daemon.url(), &ca).leaf().await;
        (leaf == wanted).then_some(())
    })
    .await;
}
