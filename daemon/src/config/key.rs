//! Every configuration key: its form, its default and what it is for. The one list from which files
//! and variables are checked, and from which help and effective values are printed.

use std::time::Duration;

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Any text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Switch,
    /// A whole number within bounds.
    Number(u64, u64),
    /// A duration within bounds.
    Time(Duration, Duration),
    /// A number of bytes within bounds.
    Size(u64, u64),
    /// A list of texts.
    List,
    /// A text that is never shown; `KEY_file` names a file that holds it instead.
    Secret,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Full path, such as `limits.establish`.
    pub path: &'static str,
    /// What it takes.
    pub form: Form,
    /// Its default as it would be written in a variable; empty for none.
    pub default: &'static str,
    /// What it is for.
    pub doc: &'static str,
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);
const DECADE: Duration = Duration::from_secs(10 * 366 * 24 * 3600);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

const fn key(path: &'static str, form: Form, default: &'static str, doc: &'static str) -> Key {
    Key { path, form, default, doc }
}

/// Every key, in the order in which they are shown.
pub const KEYS: &[Key] = &[
    key(
        "data_dir",
        Form::Text,
        "",
        "Directory of the database and of everything that is made at the first start. `serve`: /var/lib/gangplank; `up`: gangplank below $XDG_DATA_HOME or ~/.local/share.",
    ),
    key(
        "listen.tls",
        Form::List,
        "",
        "Addresses for TLS. `serve`: [::]:8443; `up`: 127.0.0.1:8443. Sockets from systemd named `tls` take their place.",
    ),
    key(
        "listen.redirect",
        Form::List,
        "",
        "Addresses that answer in cleartext with a redirect (308) to TLS and nothing else.",
    ),
    key(
        "listen.behind_proxy.address",
        Form::Text,
        "",
        "Address for a reverse proxy on a trusted network: cleartext, `X-Forwarded-Proto: https` required.",
    ),
    key(
        "listen.behind_proxy.trusted",
        Form::List,
        "",
        "Networks of the proxies that may use it, such as 127.0.0.1/32.",
    ),
    key(
        "listen.plain",
        Form::List,
        "",
        "Addresses in cleartext for agents of a lab. Refused in production.",
    ),
    key(
        "server.names",
        Form::List,
        "",
        "Names and addresses by which browsers and agents reach this server. The first one is in printed URLs; the own certificate is for all of them.",
    ),
    key(
        "server.public_url",
        Form::Text,
        "",
        "URL that people and agents use when it differs from the first name and port, for example behind a proxy.",
    ),
    key(
        "tls.cert",
        Form::Text,
        "",
        "File with a certificate chain in PEM, leaf first. Without it the daemon makes its own authority and certificate.",
    ),
    key("tls.key", Form::Text, "", "File with the private key of that certificate in PEM."),
    key(
        "auth.origins",
        Form::List,
        "",
        "Further web origins whose pages may use the API and the sockets, such as https://ops.example.com; the server's own are always in. Also read from ALLOW_ORIGINS.",
    ),
    key(
        "auth.legacy_query_token",
        Form::Switch,
        "true",
        "Take an access token in `?token=` on sockets. Off by default in production, and refused there.",
    ),
    key(
        "auth.legacy_cookie",
        Form::Switch,
        "true",
        "Take the cookie name `access_token` beside `__Host-session`. Off by default in production, and refused there.",
    ),
    key(
        "auth.secret",
        Form::Secret,
        "",
        "Secret from which the keys for API keys and access tokens are derived, at least 32 bytes. Without it one is made in the data directory. Another secret invalidates every API key.",
    ),
    key(
        "oidc.issuer",
        Form::Text,
        "",
        "Address of a provider of single sign-on (OpenID Connect), as it writes it itself. Without one people log in here only.",
    ),
    key("oidc.client_id", Form::Text, "", "The name that the provider knows this server by."),
    key(
        "oidc.client_secret",
        Form::Secret,
        "",
        "The secret that the provider gave this server; none for a public client.",
    ),
    key(
        "oidc.scopes",
        Form::List,
        "profile",
        "What the provider is asked for beside `openid`; some name groups only when asked for them.",
    ),
    key("oidc.groups_claim", Form::Text, "groups", "The claim that lists a person's groups."),
    key(
        "oidc.username_claim",
        Form::Text,
        "preferred_username",
        "The claim that names a new account. It is never how an account is found again.",
    ),
    key(
        "oidc.roles",
        Form::List,
        "",
        "What groups may do: GROUP=ROLE in the first tenant, GROUP=TENANT/ROLE in another. Roles follow groups at each login, and who has none stays out; with an empty list roles are given here.",
    ),
    key(
        "oidc.create",
        Form::Switch,
        "true",
        "Make an account for people who come for the first time.",
    ),
    key("oidc.label", Form::Text, "Single sign-on", "What the login page calls the provider."),
    key(
        "oidc.ca",
        Form::Text,
        "",
        "File with the authority of the provider's certificate in PEM, in place of the system's.",
    ),
    key(
        "ssh.allow",
        Form::List,
        "",
        "Networks that terminals of further tenants may dial although they are private or loopback.",
    ),
    key("ssh.deny", Form::List, "", "Networks that no terminal may dial."),
    key(
        "ssh.allow_unverified",
        Form::Switch,
        "true",
        "Allow terminals through PatchMon agents, whose host keys can't be checked.",
    ),
    key(
        "jobs.per_host",
        Form::Number(1, 64),
        "1",
        "Commands that a host feels (tools, scans, updates) which run on it at once; the others wait their turn.",
    ),
    key(
        "jobs.per_tenant",
        Form::Number(1, 1_000_000),
        "4096",
        "Commands of one tenant that are sent and not over.",
    ),
    key(
        "jobs.lease",
        Form::Time(SECOND, HOUR),
        "30s",
        "A command is sent again when its agent has not confirmed it for so long.",
    ),
    key(
        "jobs.deadline",
        Form::Time(SECOND, YEAR),
        "7d",
        "A command that was not started for so long expires, where its order says nothing else.",
    ),
    key(
        "jobs.kept",
        Form::Time(HOUR, YEAR),
        "30d",
        "How long a command that is over can be seen, with what it printed.",
    ),
    key(
        "jobs.report_every",
        Form::Time(Duration::ZERO, YEAR),
        "1d",
        "How often a host that is here reports itself in full without being asked, where its own settings say nothing; 0s for never.",
    ),
    key(
        "compliance.scans_per_host",
        Form::Number(1, 1_000),
        "100",
        "Compliance scans that are kept of each host: the newest.",
    ),
    key("compliance.kept", Form::Time(DAY, DECADE), "400d", "How long a compliance scan is kept."),
    key(
        "ingest.rows_per_host",
        Form::Number(1, 10_000_000),
        "2000",
        "Rows of telemetry and events that one host may send in a minute; then 429.",
    ),
    key(
        "ingest.bytes_per_host",
        Form::Size(64 * KIB, 1024 * MIB),
        "4 MiB",
        "Bytes that one host may send in a minute, unpacked; then 429.",
    ),
    key(
        "ingest.rows_per_tenant",
        Form::Number(1, 1_000_000_000),
        "120000",
        "Rows that all hosts of a tenant may send in a minute; then 429.",
    ),
    key(
        "ingest.bytes_per_tenant",
        Form::Size(64 * KIB, 16 * 1024 * MIB),
        "64 MiB",
        "Bytes that all hosts of a tenant may send in a minute, unpacked; then 429.",
    ),
    key(
        "ingest.names_per_host",
        Form::Number(0, 10_000),
        "100",
        "Names of its own that one host may measure; a batch with more is refused.",
    ),
    key(
        "ingest.names_per_tenant",
        Form::Number(0, 1_000_000),
        "10000",
        "Names of their own that all hosts of a tenant may measure together.",
    ),
    key(
        "ingest.telemetry_kept",
        Form::Time(DAY, DECADE),
        "90d",
        "How long measurements are kept: by the minute for a day, by five minutes for a week, then by the hour.",
    ),
    key(
        "ingest.records_kept",
        Form::Time(HOUR, YEAR),
        "7d",
        "How long other rows are kept, of which each host has 2000 and 4 MiB at most.",
    ),
    key(
        "channels.retention",
        Form::Time(HOUR, DECADE),
        "7d",
        "How long an event of a topic can be read again by whoever missed it.",
    ),
    key(
        "channels.kept",
        Form::Number(1_000, 100_000_000),
        "10000",
        "Events that are kept of each topic of a tenant: the newest.",
    ),
    key(
        "channels.topics",
        Form::List,
        "",
        "Topics that are kept longer or shorter, as TOPIC=AGE or TOPIC=AGE/EVENTS, such as receipts=90d/100000.",
    ),
    key(
        "patchmon.programs",
        Form::Text,
        "",
        "Directory with programs of PatchMon's agent, patchmon-agent-OS-ARCH, and their version in patchmon-agent.version. Hosts that run that agent fetch a newer one from here; without it they stay as they are.",
    ),
    key(
        "keeper.socket",
        Form::Text,
        "",
        "Unix socket of a `gangplankd keeper`, which keeps the terminals that the daemon opens itself, so that they outlive it. Without one they live in the daemon. Read at the start only.",
    ),
    key(
        "internal.hmac_secret",
        Form::Secret,
        "",
        "Secret that signs internal webhooks, at least 32 bytes. Without it they are refused.",
    ),
    key(
        "internal.token",
        Form::Secret,
        "",
        "Token of internal services, at least 32 bytes. Without it they are refused.",
    ),
    key(
        "webhooks.allow",
        Form::List,
        "",
        "Loopback and private networks that webhooks may reach; others inside are refused.",
    ),
    key(
        "webhooks.ca",
        Form::Text,
        "",
        "File of the CA that webhooks trust, in place of the system's. Read at the start.",
    ),
    key(
        "webhooks.attempts",
        Form::Number(1, 100),
        "12",
        "How often something is sent to a webhook before it is given up.",
    ),
    key(
        "webhooks.retry",
        Form::Time(Duration::from_millis(10), HOUR),
        "5s",
        "Wait before the second attempt; it doubles with each, up to an hour.",
    ),
    key(
        "redis.url",
        Form::Secret,
        "",
        "URL of a Redis server, such as redis://127.0.0.1:6379 or, over TLS, rediss://USER:PASSWORD@NAME, whose stream of investigators' steps goes into the channel agent_thoughts. Read at the start.",
    ),
    key("redis.stream", Form::Text, "aurora:audit", "Key of that stream."),
    key("redis.group", Form::Text, "gangplank", "Group of consumers that the daemon belongs to."),
    key("redis.consumer", Form::Text, "gangplankd", "Name of the daemon in that group."),
    key(
        "redis.tenant",
        Form::Text,
        "",
        "Name of the tenant whose channel it is. Without one it is the first tenant's.",
    ),
    key(
        "log.level",
        Form::Choice(&["error", "warn", "info", "debug", "trace"]),
        "info",
        "How much is logged.",
    ),
    key("log.format", Form::Choice(&["text", "json"]), "text", "Form of a log line."),
    key(
        "limits.message",
        Form::Size(4 * KIB, 64 * MIB),
        "1 MiB",
        "Largest message on any socket, whole or all its fragments together; a larger one ends it (1009).",
    ),
    key(
        "limits.channel_messages_per_minute",
        Form::Number(1, 1_000_000),
        "100",
        "Messages a minute from one subscriber of a channel: throttled, then 1008.",
    ),
    key(
        "limits.pending_per_ip",
        Form::Number(1, 1_000_000),
        "512",
        "Connections of one address (IPv6: /64) that are not authenticated yet.",
    ),
    key(
        "limits.anonymous_sockets_per_ip",
        Form::Number(1, 1_000_000),
        "10",
        "Sockets of one address (IPv6: /64) that nobody has logged in on.",
    ),
    key("limits.sockets_per_user", Form::Number(1, 1_000_000), "128", "Sockets of one user."),
    key(
        "limits.channel_subscribers",
        Form::Number(1, 1_000_000),
        "500",
        "Subscribers of one channel of one tenant; one more gets 1013.",
    ),
    key(
        "limits.connections",
        Form::Number(0, 1_000_000),
        "0",
        "Connections of all kinds; 0: what a quarter of the memory holds, 32768 at most.",
    ),
    key(
        "limits.terminals",
        Form::Number(0, 100_000),
        "0",
        "Terminals of all kinds at once; 0: what a quarter of the memory holds, 1024 at most.",
    ),
    key(
        "limits.establish",
        Form::Time(SECOND, HOUR),
        "10s",
        "From accept to an established socket or a complete request.",
    ),
    key(
        "limits.first_message",
        Form::Time(SECOND, HOUR),
        "10s",
        "First message on a terminal socket.",
    ),
    key(
        "limits.terminal_window",
        Form::Size(16 * KIB, 16 * MIB),
        "256 KiB",
        "Output of a terminal that its page has not acknowledged.",
    ),
    key(
        "limits.replay_ring",
        // A terminal holds what is on its way to a page in its ring.
        Form::Size(256 * KIB, 64 * MIB),
        "1 MiB",
        "Newest output kept of a terminal for whoever comes back.",
    ),
    key(
        "limits.lossless_hold",
        Form::Time(Duration::ZERO, HOUR),
        "60s",
        "How long a terminal waits for a lost viewer, rather than overwrite what it has not seen. Then it runs on, and what was overwritten is declared to whoever comes back.",
    ),
    key(
        "limits.detached_life",
        Form::Time(Duration::ZERO, DAY),
        "5m",
        "How long a terminal lives without a viewer, where its tenant says nothing else.",
    ),
    key(
        "limits.channel_write",
        Form::Time(SECOND, HOUR),
        "20s",
        "A subscriber of a channel that takes nothing of what is sent for so long is closed (1008).",
    ),
    key(
        "limits.channel_idle",
        Form::Time(SECOND, DAY),
        "5m",
        "Time without a message of its client after which a channel's socket is closed (4002).",
    ),
    key(
        "limits.terminal_idle",
        Form::Time(SECOND, DAY),
        "30m",
        "Time without input after which a terminal's socket is closed (4002); the terminal stays detached.",
    ),
    key(
        "limits.heartbeat",
        Form::Time(SECOND, HOUR),
        "30s",
        "A ping goes out this often; two unanswered ones mean a dead peer.",
    ),
    key(
        "limits.auth_failures_per_minute_per_ip",
        Form::Number(1, 1_000_000),
        "1000",
        "Failed authentications of one address (IPv6: /64) a minute; then 429.",
    ),
    key(
        "limits.registrations_per_minute_per_ip",
        Form::Number(1, 1_000_000),
        "100",
        "Hosts that one address (IPv6: /64) may register in a minute; then 429.",
    ),
    key(
        "limits.channel_bytes_per_minute",
        Form::Size(4 * KIB, 1024 * MIB),
        "4 MiB",
        "Bytes of messages a minute from one subscriber of a channel: throttled, then 1008.",
    ),
    key(
        "limits.terminal_bytes_per_second",
        Form::Size(64 * KIB, 1024 * MIB),
        "8 MiB",
        "Input a second from one terminal's page; what is above waits in the page, and none is lost.",
    ),
    key(
        "limits.tickets_per_minute",
        Form::Number(1, 1_000_000),
        "600",
        "Tickets a minute for one user; then 429.",
    ),
    key(
        "guard.penalties",
        Form::Switch,
        "true",
        "Slow down, block and in the end no longer answer addresses (IPv6: /64) that misbehave. Credentials that were good lately are let through all the same.",
    ),
    key(
        "guard.exempt",
        Form::List,
        "",
        "Networks that get no penalties, such as those of a load balancer that connects to see whether the port is open.",
    ),
    key(
        "guard.sources",
        Form::Number(1_000, 500_000),
        "100000",
        "Addresses whose misdeeds are remembered, at least; at most twice as many. Each costs up to 100 bytes.",
    ),
    key(
        "guard.points.bad_credential",
        Form::Number(0, 1_000_000),
        "1",
        "Points of a failed authentication. Where limits.auth_failures_per_minute_per_ip allows more than 1000 of them, each counts as much less.",
    ),
    key(
        "guard.points.bad_origin",
        Form::Number(0, 1_000_000),
        "2",
        "Points of a request from a web origin that is not allowed.",
    ),
    key(
        "guard.points.bad_frames",
        Form::Number(0, 1_000_000),
        "1",
        "Points of a request or a WebSocket frame that breaks its protocol.",
    ),
    key(
        "guard.points.flooding",
        Form::Number(0, 1_000_000),
        "2",
        "Points of a request beyond a limit, or while blocked.",
    ),
    key(
        "guard.points.early_hang_up",
        Form::Number(0, 1_000_000),
        "1",
        "Points of a connection that ends, or has to be ended, before it asked for anything.",
    ),
    key(
        "guard.half_life",
        Form::Time(SECOND, DAY),
        "10m",
        "Points of addresses and of logins halve in this time.",
    ),
    key(
        "guard.slow_at",
        Form::Number(1, 1_000_000_000),
        "1500",
        "From so many points on, refusals are answered late: up to two seconds.",
    ),
    key(
        "guard.block_at",
        Form::Number(1, 1_000_000_000),
        "3000",
        "From so many points on, an address can't log in for guard.block: 429 with Retry-After.",
    ),
    key(
        "guard.close_at",
        Form::Number(1, 1_000_000_000),
        "6000",
        "From so many points on, a blocked address from which nobody proved who they are within a day is not answered at all: closed before TLS.",
    ),
    key(
        "guard.block",
        Form::Time(SECOND, DAY),
        "5m",
        "How long an address, or a user of a login that is blocked, has to wait; doubled each time it happens again.",
    ),
    key("guard.block_longest", Form::Time(SECOND, YEAR), "1h", "The longest block."),
    key(
        "guard.monitored_at",
        Form::Number(1, 1_000_000),
        "30",
        "From so many points on, a login is monitored. What gives how many is in docs/guard.md.",
    ),
    key(
        "guard.suspicious_at",
        Form::Number(1, 1_000_000),
        "60",
        "From so many points on, a login is suspicious.",
    ),
    key(
        "guard.on_monitored",
        Form::List,
        "watch",
        "What is done with a login that becomes monitored: watch, throttle, alert, close, block.",
    ),
    key(
        "guard.on_suspicious",
        Form::List,
        "alert",
        "What is done with a login that becomes suspicious: watch, throttle, alert, close, block.",
    ),
    key(
        "guard.user_agents",
        Form::List,
        "sqlmap,nikto,nmap,masscan,zgrab,nuclei,gobuster,dirbuster,wpscan,hydra,metasploit",
        "Programs whose name in User-Agent makes a login suspicious; case makes no difference.",
    ),
    key(
        "guard.terminal_hours",
        Form::Text,
        "",
        "Hours in UTC at which terminals are usually opened, such as 06:00-22:00. Without it any hour is usual.",
    ),
    key(
        "guard.terminal_networks",
        Form::List,
        "",
        "Networks from which terminals are usually opened. Without them any place is usual.",
    ),
    key(
        "guard.events_per_minute",
        Form::Number(1, 10_000),
        "60",
        "Security events that are written a minute; what is beyond is written as one sum.",
    ),
    key("guard.events_kept", Form::Time(HOUR, DECADE), "90d", "How long a security event is kept."),
];

/// The key of a path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

impl Key {
    /// Its environment variable, such as `GANGPLANK_LIMITS__ESTABLISH`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("GANGPLANK_{}", self.path.replace('.', "__").to_uppercase())
    }
}
