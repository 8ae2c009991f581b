//! A network that drops packets and tells nobody: the agent lives in a namespace of its own, whose
//! cable is pulled.

use std::{env, sync::Arc, time::Duration};

use gangplank_tests::{
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    eventually,
    http::Client,
    netns::Namespace,
    returning::Returning,
};
use serde_json::{Value, json};

/// How long the cable is pulled where the length is all that counts.
fn cut() -> Duration {
    let seconds = env::var("GANGPLANK_SOAK_CUT");
    Duration::from_secs(seconds.map_or(5, |seconds| seconds.parse().expect("a number")))
}

struct Net {
    namespace: Arc<Namespace>,
    daemon: Daemon,
    admin: Client,
    agent: Agent,
}

impl Net {
    async fn new(settings: &[(&str, &str)]) -> Self {
        let namespace = Arc::new(Namespace::new());
        let daemon = Daemon::listening_on(namespace.address(), settings);
        let admin = daemon.admin().await;
        let policy = Policy::everything("localhost:22");
        let agent = Agent::enrol_in(&namespace, &daemon, &admin, &policy).await;
        Self { namespace, daemon, admin, agent }
    }

    async fn terminal(&self) -> Returning {
        let connect = json!({ "connection_mode": "pty", "username": shell_user() });
        let mut page = Returning::open(&self.admin, self.agent.host(), connect).await;
        page.keys("stty raw -echo; echo re\"\"ady; ENV= PS1= exec sh\r").await;
        page.shows("ready").await;
        page.keys("echo qu\"\"iet\n").await;
        page.shows("quiet\n").await;
        page.forget();
        page
    }

    async fn session(&self, id: &str) -> Value {
        self.admin.get(&format!("/api/v1/sessions/{id}")).await.expect(200).json()
    }
}

#[tokio::test]
async fn a_short_cut_is_only_a_pause() {
    let net = Net::new(&[]).await;
    let mut page = net.terminal().await;
    let lines = "for n in 1 2 3 4 5 6 7 8 9; do echo line-$n; sleep 0.3; done";
    page.keys(&format!("{lines}; read -r l; echo \"<$l>\"\n")).await;
    page.shows("line-2\n").await;
    net.namespace.cut();
    page.keys("typed in the dark\n").await;
    // The length of the cut is what is tried here; nothing is waited for.
    tokio::time::sleep(cut()).await;
    net.namespace.mend();
    page.shows("<typed in the dark>\n").await;
    let wanted: String = (1..=9).map(|n| format!("line-{n}\n")).collect();
    let output = String::from_utf8_lossy(page.output()).into_owned();
    assert_eq!(output, format!("{wanted}<typed in the dark>\n"));
}

#[tokio::test]
async fn a_long_cut_ends_with_the_same_terminal() {
    let net = Net::new(&[("limits.heartbeat", "1s")]).await;
    let mut page = net.terminal().await;
    net.namespace.cut();
    assert_eq!(page.event("error").await["code"], "agent_offline");
    net.agent.state(&net.admin, "offline").await;
    page.keys("echo st\"\"ill\n").await;
    net.namespace.mend();
    let connected = page.event("connected").await;
    assert_eq!(connected["resumed"], true);
    page.shows("still\n").await;
    assert_eq!(String::from_utf8_lossy(page.output()), "still\n");
    assert!(net.daemon.runs());
}

#[tokio::test]
async fn a_cut_beyond_its_life_ends_the_terminal_on_both_sides() {
    let net = Net::new(&[("limits.heartbeat", "1s"), ("limits.detached_life", "2s")]).await;
    let mut page = net.terminal().await;
    page.keys("echo pid=$$=\n").await;
    page.shows("=\n").await;
    let text = String::from_utf8_lossy(page.output()).into_owned();
    let pid = text.split('=').nth(1).expect("a number").to_owned();
    net.namespace.cut();
    assert_eq!(page.event("error").await["code"], "agent_offline");
    page.lose();
    let id = page.session().to_owned();
    eventually::until(eventually::patience(), "the end in the store", || async {
        Some(net.session(&id).await).filter(|session| session["state"] == "ended")
    })
    .await;
    net.namespace.mend();
    net.agent.online(&net.admin).await;
    assert_eq!(page.resume().await["code"], "no_such_session");
    eventually::until(eventually::patience(), "the end of the shell", || async {
        (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    })
    .await;
}
