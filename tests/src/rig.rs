//! What every attack needs: a daemon under attack with two tenants, addresses to attack from, and a
//! control group that must notice nothing.
//!
//! Every secret that the rig makes has `CANARY-` in it, so that it is found wherever it must not be.

mod control;
mod footprint;

use std::{
    env,
    sync::atomic::{AtomicU8, Ordering},
};

use serde_json::Value;
use tokio::sync::OnceCell;

pub use self::{control::Control, footprint::Footprint};
use crate::{
    agent::{Agent, Policy},
    daemon::Daemon,
    http::Client,
    internal::Service,
};

/// What makes each attack so many times as long.
const SOAK: &str = "GANGPLANK_SOAK_ATTACKS";

/// The addresses that [`Rig::stranger`] gives out, 127.0.0.FIRST and on.
const FIRST: u8 = 100;
const LAST: u8 = 250;

/// Pages of the audit that are looked through after an attack.
const PAGES: usize = 50;

/// The daemon that is attacked, and those who use it meanwhile.
#[derive(Debug)]
pub struct Rig {
    service: Service,
    agent: OnceCell<Agent>,
    tenants: [OnceCell<Tenant>; 2],
    strangers: AtomicU8,
}

/// Who belongs to a tenant, and a host of it without an agent.
#[derive(Debug)]
pub struct Tenant {
    /// Id.
    pub id: String,
    /// May do everything.
    pub admin: Client,
    /// May open terminals and give commands.
    pub operator: Client,
    /// May look.
    pub viewer: Client,
    /// The host, with `id`, `api_id` and `api_key`.
    pub host: Value,
}

impl Tenant {
    async fn new(id: String, name: &str, admin: Client) -> Self {
        let (_, operator) = admin.add_user(&format!("{name}-operator"), &["operator"]).await;
        let (_, viewer) = admin.add_user(&format!("{name}-viewer"), &["viewer"]).await;
        let host = admin.add_host(&format!("host-of-{name}"), None).await;
        Self { id, admin, operator, viewer, host }
    }

    /// The host's id.
    pub fn host_id(&self) -> &str {
        self.host["id"].as_str().expect("an id")
    }
}

impl Rig {
    /// Starts a daemon with settings.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        Self {
            service: Service::start(settings),
            agent: OnceCell::new(),
            tenants: [OnceCell::new(), OnceCell::new()],
            strangers: AtomicU8::new(FIRST),
        }
    }

    /// The daemon.
    pub fn daemon(&self) -> &Daemon {
        &self.service.daemon
    }

    /// An internal service that the daemon knows.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The id of the host whose agent is in the control group.
    pub async fn host(&self) -> &str {
        let enrol = async || {
            let admin = self.daemon().admin().await;
            Agent::enrol(self.daemon(), &admin, &Policy::everything("localhost:22")).await
        };
        self.agent.get_or_init(enrol).await.host()
    }

    /// The tenant that the control group belongs to.
    pub async fn a(&self) -> &Tenant {
        let make = async || {
            let admin = self.daemon().admin().await;
            let me = admin.get("/api/v1/auth/me").await.expect(200).json();
            let id = me["user"]["tenant"]["id"].as_str().expect("an id").to_owned();
            Tenant::new(id, "a", admin).await
        };
        self.tenants[0].get_or_init(make).await
    }

    /// The other tenant.
    pub async fn b(&self) -> &Tenant {
        self.tenants[1].get_or_init(async || self.new_tenant("b").await).await
    }

    /// A tenant of its own, for an attack that spoils it.
    pub async fn new_tenant(&self, name: &str) -> Tenant {
        let platform = self.daemon().admin().await;
        let (id, _, admin) = platform.watched().add_tenant(name).await;
        Tenant::new(id, name, admin).await
    }

    /// A client without a login, whose answers must have no secret in them.
    pub fn client(&self) -> Client {
        self.daemon().client().watched()
    }

    /// A client at another loopback address.
    pub fn attacker(&self, last: u8) -> Client {
        self.client().from_address(last)
    }

    /// A client at an address from which nobody came yet, as long as there are such addresses.
    pub fn stranger(&self) -> Client {
        let next = |last| Some(if last == LAST { FIRST } else { last + 1 });
        let last = self.strangers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        self.attacker(last.unwrap_or(FIRST))
    }

    /// Somebody who knows a host's key: `host` is what the daemon answered when it was made.
    pub fn agent_of(&self, host: &Value) -> Client {
        let text = |name: &str| host[name].as_str().expect("text");
        let client = self.client().with_origin(None).with_header("X-API-ID", text("api_id"));
        client.with_header("X-API-KEY", text("api_key"))
    }

    /// Starts the control group, beside two tenants.
    pub async fn control(&self) -> Control {
        self.a().await;
        self.b().await;
        Control::start(self).await
    }

    /// Checks that the control group noticed nothing, that the daemon is as it was before and that
    /// nothing secret is where it must not be.
    ///
    /// # Panics
    /// When it isn't.
    pub async fn holds(&self, control: Control) {
        let (pid, before) = (control.pid, control.before);
        control.noticed_nothing(self.host().await).await;
        assert!(self.daemon().runs() && self.daemon().pid() == pid, "another process");
        before.is_back(pid).await;
        let log = self.daemon().log();
        assert!(!log.contains("panicked"), "{log}");
        assert!(!log.contains('\u{1b}'), "a control character is in the log");
        // The line that says that it is ready is the one place that shows the first password.
        let log: Vec<_> = log.lines().filter(|line| !line.contains("\"ready\"")).collect();
        self.shows_no_secret("the log", &log.join("\n"));
        let tenants = self.tenants.iter().filter_map(OnceCell::get);
        for admin in tenants.map(|tenant| tenant.admin.clone()).chain([self.daemon().admin().await])
        {
            for list in ["audit", "security/events"] {
                self.list_shows_no_secret(&admin, list).await;
            }
        }
    }

    async fn list_shows_no_secret(&self, admin: &Client, list: &str) {
        let mut cursor = String::new();
        for _ in 0..PAGES {
            let page = admin.get(&format!("/api/v1/{list}?limit=200{cursor}")).await.expect(200);
            self.shows_no_secret(list, &page.text());
            match page.json()["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
    }

    fn shows_no_secret(&self, what: &str, text: &str) {
        for secret in ["CANARY-", self.daemon().password()] {
            if let Some(at) = text.find(secret) {
                let from = text[..at].rfind('\n').map_or(0, |end| end + 1);
                let line = text[from..].lines().next().unwrap_or_default();
                panic!("a secret is in {what}: {line}");
            }
        }
    }
}

/// How often something is done: more often where a soak says so.
pub fn times(count: usize) -> usize {
    let longer = env::var(SOAK).ok().and_then(|text| text.parse().ok());
    count * longer.unwrap_or(1)
}

/// Whether this is a soak, on a machine that does nothing else.
pub fn is_soak() -> bool {
    env::var_os(SOAK).is_some()
}
