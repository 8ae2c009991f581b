//! An agent that lies: its link is closed with 1002, and nobody else notices.

use std::{sync::LazyLock, time::Duration};

use gangplank_tests::{
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    http::Client,
    page::Page,
    ws::{Incoming, Socket},
};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

const SOON: Duration = Duration::from_secs(10);

/// A host whose agent is the test itself.
struct Liar {
    host: Value,
    socket: Socket,
}

impl Liar {
    async fn new(admin: &Client) -> Self {
        let host = admin.add_host("liar", None).await;
        let socket = Self::connect(&host).await;
        Self { host, socket }
    }

    async fn connect(host: &Value) -> Socket {
        let field = |name: &str| host[name].as_str().expect("a text").to_owned();
        let client = DAEMON.client().with_origin(None);
        let upgrade = client.upgrade("/api/v1/agents/ws").protocol("gangplank.agent.v1");
        let upgrade = upgrade.header("X-API-ID", &field("api_id"));
        let mut socket = upgrade.header("X-API-KEY", &field("api_key")).open().await.expect("101");
        let policy = json!({ "terminal": ["pty"], "targets": [], "users": [] });
        socket.json(&json!({ "type": "hello", "policy": policy })).await;
        socket
    }

    fn id(&self) -> &str {
        self.host["id"].as_str().expect("an id")
    }

    /// The next word to a channel.
    async fn word(&mut self, kind: &str) -> Value {
        loop {
            match self.socket.next().await {
                Incoming::Text(text) => {
                    let word: Value = serde_json::from_str(&text).expect("JSON");
                    if word["type"] == kind && word["channel"].is_u64() {
                        return word;
                    }
                }
                Incoming::Binary(_) => {}
                Incoming::Closed(closed) => panic!("closed ({closed:?}) before {kind}"),
            }
        }
    }

    /// A page asks for a terminal, and this agent says that it is there.
    async fn opened(&mut self, admin: &Client) -> (Page, u64) {
        let mut page = Page::open(admin, self.id()).await;
        page.connect(json!({ "connection_mode": "pty" })).await;
        let connect = self.word("connect").await;
        let channel = connect["channel"].as_u64().expect("a number");
        self.connected(channel, 0, 0, 0, 262_144).await;
        page.event("connected").await;
        (page, channel)
    }

    async fn connected(&mut self, channel: u64, offset: u64, end: u64, input: u64, window: u64) {
        let word = json!({ "type": "connected", "channel": channel, "offset": offset, "end": end,
                           "input_offset": input, "window": window });
        self.socket.json(&word).await;
    }

    async fn data(&mut self, channel: u64, data: &[u8]) {
        let mut message = u32::try_from(channel).expect("a channel").to_be_bytes().to_vec();
        message.extend_from_slice(data);
        self.socket.binary(message).await;
    }

    /// Waits for input of a channel.
    async fn input(&mut self) {
        while !matches!(self.socket.next().await, Incoming::Binary(_)) {}
    }

    async fn is_closed(&mut self) {
        assert_eq!(self.socket.closed(SOON).await.code, 1002);
    }
}

/// An honest host beside the liar, which must not notice anything.
async fn honest(admin: &Client) -> (Agent, Page) {
    let agent = Agent::enrol(&DAEMON, admin, &Policy::everything("localhost:22")).await;
    let mut page = Page::open(admin, agent.host()).await;
    page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
    (agent, page)
}

#[tokio::test]
async fn whoever_lies_about_windows_is_closed_and_others_live() {
    let admin = DAEMON.admin().await;
    let (_agent, mut other) = honest(&admin).await;
    // More output than anybody granted.
    let mut liar = Liar::new(&admin).await;
    let (mut page, channel) = liar.opened(&admin).await;
    page.stop_acknowledging();
    for _ in 0..20 {
        liar.data(channel, &[b'x'; 16_384]).await;
    }
    liar.is_closed().await;
    assert_eq!(page.event("error").await["code"], "agent_offline");
    // A window beyond all numbers.
    let mut liar = Liar::new(&admin).await;
    let (_page, channel) = liar.opened(&admin).await;
    let grant = json!({ "type": "window_adjust", "channel": channel, "bytes": u32::MAX });
    liar.socket.json(&grant).await;
    liar.is_closed().await;
    // Input that was never sent.
    let mut liar = Liar::new(&admin).await;
    let (_page, channel) = liar.opened(&admin).await;
    let grant = json!({ "type": "window_adjust", "channel": channel, "bytes": 5 });
    liar.socket.json(&grant).await;
    liar.is_closed().await;
    other.proves_a_shell().await;
}

#[tokio::test]
async fn whoever_lies_about_offsets_is_closed_and_others_live() {
    let admin = DAEMON.admin().await;
    let (_agent, mut other) = honest(&admin).await;
    // A new terminal that is not new.
    for (offset, input) in [(5, 0), (0, 5)] {
        let mut liar = Liar::new(&admin).await;
        let mut page = Page::open(&admin, liar.id()).await;
        page.connect(json!({ "connection_mode": "pty" })).await;
        let channel = liar.word("connect").await["channel"].as_u64().expect("a number");
        liar.connected(channel, offset, offset, input, 1000).await;
        liar.is_closed().await;
        assert_eq!(page.event("error").await["code"], "agent_offline");
    }
    // A terminal that goes on where it can't: before what the page has, beyond its own end, with
    // less input than it had or more than was typed.
    let impossible = [(2, 9, 3), (9, 4, 3), (4, 4, 0), (4, 4, 99), (u64::MAX, u64::MAX, 3)];
    for (offset, end, input) in impossible {
        let mut liar = Liar::new(&admin).await;
        let (mut page, channel) = liar.opened(&admin).await;
        liar.data(channel, b"abcd").await;
        page.shows("abcd").await;
        page.keys("xyz").await;
        liar.input().await;
        liar.socket.json(&json!({ "type": "window_adjust", "channel": channel, "bytes": 3 })).await;
        page.event("ack").await;
        liar.socket = Liar::connect(&liar.host).await;
        assert_eq!(page.event("error").await["code"], "agent_offline");
        let attach = liar.word("attach").await;
        assert_eq!(attach["offset"], 4);
        let channel = attach["channel"].as_u64().expect("a number");
        liar.connected(channel, offset, end, input, 1000).await;
        liar.is_closed().await;
    }
    other.proves_a_shell().await;
}

#[tokio::test]
async fn whoever_lies_about_ids_is_closed_and_gets_nobody_s_terminal() {
    let admin = DAEMON.admin().await;
    let (_agent, mut other) = honest(&admin).await;
    for channel in [0, 7, u64::from(u32::MAX)] {
        let mut liar = Liar::new(&admin).await;
        liar.data(channel, b"x").await;
        liar.is_closed().await;
    }
    // Somebody else's session in the hello is not taken over: the liar is told to end it, and the
    // page of the other host never hears of it.
    let list = admin.get("/api/v1/sessions?mine=true&state=live").await.expect(200).json();
    let items = list["items"].as_array().expect("a list");
    assert!(!items.is_empty());
    let mut liar = Liar::new(&admin).await;
    let held: Vec<_> = items
        .iter()
        .map(|item| json!({ "session_id": item["id"], "offset": 0, "input_offset": 0 }))
        .collect();
    liar.socket.json(&json!({ "type": "hello", "sessions": held })).await;
    let attach = liar.word("attach").await;
    assert_eq!(liar.word("close").await["channel"], attach["channel"]);
    other.proves_a_shell().await;
    for item in items {
        let path = format!("/api/v1/sessions/{}", item["id"].as_str().expect("an id"));
        let still = admin.get(&path).await.expect(200).json();
        let reason = still["end_reason"].as_str().unwrap_or_default();
        assert!(!reason.contains("no longer have"), "{still}");
    }
}
