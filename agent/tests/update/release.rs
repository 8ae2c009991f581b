//! Releases, and an agent that is to take them.

use std::io::Cursor;
use std::path::Path;

use gangplank_agent::config::{Config, Credentials, Environment, Local, Server};
use gangplank_agent::dial::Dialer;
use gangplank_agent::dial::proxy::Proxies;
use gangplank_agent::update::state::Ordered;
use gangplank_agent::update::{End, Keys, Order, Place, Release, Updates, built_as, target};
use gangplank_certs::ClientTrust;
use gangplank_proto::id::JobId;
use gangplank_proto::job::{Done, Progress};
use gangplank_proto::release::{Manifest, Product, Sha256};
use gangplank_proto::secret::Secret;
use gangplank_proto::server_url::ServerUrl;
use gangplank_terminal::keeper::{Keeper, KeeperConfig};
use minisign::KeyPair;
use sha2::Digest as _;
use time::{Duration, OffsetDateTime};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Somebody with a signing key.
pub(crate) struct Signer(KeyPair);

impl Signer {
    pub(crate) fn new() -> Self {
        Self(KeyPair::generate_unencrypted_keypair().unwrap())
    }

    pub(crate) fn keys(&self) -> Keys {
        Keys::parse(&[self.0.pk.to_base64()]).unwrap()
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> String {
        let (public, secret) = (&self.0.pk, &self.0.sk);
        minisign::sign(Some(public), secret, Cursor::new(bytes), None, None).unwrap().to_string()
    }

    pub(crate) fn files(&self, version: &str, program: &[u8]) -> Files {
        let manifest = Manifest {
            product: Product::Agent,
            version: version.parse().unwrap(),
            target: target().unwrap(),
            length: program.len() as u64,
            sha256: Sha256::new(sha2::Sha256::digest(program).into()),
            minimum_version: "0.0.1".parse().unwrap(),
            expires: OffsetDateTime::now_utc() + Duration::days(1),
        };
        let manifest = serde_json::to_vec(&manifest).unwrap();
        let signature = self.sign(&manifest);
        Files { program: program.to_owned(), manifest, signature }
    }
}

/// The three files of a release.
#[derive(Clone)]
pub(crate) struct Files {
    pub(crate) program: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
    pub(crate) signature: String,
}

impl Files {
    pub(crate) fn release(&self, keys: &Keys) -> Release {
        Release::verify(keys, self.manifest.clone(), self.signature.clone()).unwrap()
    }
}

/// An agent's side of updates, in a directory of its own.
pub(crate) struct Host {
    directory: tempfile::TempDir,
    pub(crate) updates: Updates,
    pub(crate) keys: Keys,
}

impl Host {
    pub(crate) fn new(url: ServerUrl, trust: ClientTrust, keys: Keys) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let local = Local::load(Path::new("/nonexistent"), &Environment::default()).unwrap();
        let config = Config {
            path: directory.path().join("agent.toml"),
            server: Server {
                url,
                kind: Default::default(),
                trust,
                ca: None,
                proxies: Proxies::default(),
            },
            credentials: Credentials {
                api_id: "gp_0123456789abcdef".parse().unwrap(),
                api_key: Secret::new("key-of-the-test".to_owned()),
            },
            local: Local { keys: keys.clone(), ..local },
        };
        let dialer = Dialer::new(&config.server).unwrap();
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let keeper = Keeper::new(KeeperConfig::default(), tracker, stop);
        let updates = Updates::new(&config, dialer, keeper, built_as(), None, None);
        Self { directory, updates, keys }
    }

    pub(crate) fn place(&self) -> Place {
        Place::beside(&self.directory.path().join("agent.toml"))
    }

    /// Carries out an order to its end in this process; none when the new version was to take over.
    pub(crate) async fn order(&self, url: Option<String>) -> (Option<Done>, Vec<Progress>) {
        let said = std::sync::Mutex::new(Vec::new());
        let say = |progress| said.lock().unwrap().push(progress);
        let order = Order {
            version: None,
            url,
            force: false,
            job: Ordered { job_id: JobId::new(), attempt: 1 },
        };
        // As an agent does that stops when it is asked to begin again.
        let cancel = self.updates.restart().clone();
        let end = self.updates.carry_out(&order, &self.keys, &cancel, &say).await;
        let done = match end {
            End::Done(done) => Some(done),
            End::Later => None,
        };
        (done, said.into_inner().unwrap())
    }

    /// Why an order failed.
    pub(crate) async fn refused(&self, url: Option<String>) -> String {
        let (done, _) = self.order(url).await;
        let done = done.expect("an end");
        done.error.expect("a reason").as_str().to_owned()
    }
}
