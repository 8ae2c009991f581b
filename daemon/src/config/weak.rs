//! Settings that work and are weaker than they need be, each with its reason and one fix.

use std::net::IpAddr;
use std::time::Duration;

use super::{Config, Problem};
use crate::retention::{Age, Amount, Keeping};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Events of a topic that are as good as all of them.
const EVENTS: u64 = 1_000_000;

/// As good as for ever, for what is found.
const FINDINGS: Duration = Duration::from_secs(5 * 366 * 24 * 3600);

/// The same for what happens and what is measured, which is much more.
const HAPPENINGS: Duration = Duration::from_secs(2 * 366 * 24 * 3600);

/// A limit this many times its default is no limit any more.
const SANE: u64 = 10;

/// Every weak setting of a configuration, in the order of the list of keys.
pub(super) fn weaknesses(config: &Config) -> Vec<Problem> {
    let mut found = Found { config, problems: Vec::new() };
    found.doors();
    found.auth();
    found.terminals();
    found.retention();
    found.limits();
    found.guard();
    found.problems
}

/// The parts of what is granted to a tenant that are kept as good as for ever.
#[must_use]
pub fn endless(granted: &Keeping) -> Vec<&'static str> {
    let older = |age: Option<Age>, most: Duration| age.is_some_and(|age| age.get() > most);
    let much = |amount: &Amount| {
        older(amount.age, HAPPENINGS)
            || amount.count.is_some_and(|count| u64::from(count.get()) > EVENTS)
    };
    let parts = [
        ("events", much(&granted.events)),
        ("topics", granted.topics.values().any(much)),
        ("scans", older(granted.scans, FINDINGS)),
        ("telemetry", older(granted.telemetry, HAPPENINGS)),
    ];
    parts.into_iter().filter(|(_, endless)| *endless).map(|(part, _)| part).collect()
}

struct Found<'a> {
    config: &'a Config,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn weak(&mut self, weak: bool, key: &str, reason: &str, fix: &str) {
        if weak {
            let (place, key) = (self.config.origin_of(key), key.to_owned());
            let (reason, fix) = (reason.to_owned(), fix.to_owned());
            self.problems.push(Problem { key, place, reason, fix });
        }
    }

    fn doors(&mut self) {
        let config = self.config;
        let reachable = |ip: IpAddr| !ip.is_loopback();
        let listens = config.listen.tls.iter().any(|address| reachable(address.ip()));
        self.weak(
            !config.production && listens,
            "GANGPLANK_ENV",
            "insecure switches are not refused on a server that others reach",
            "set GANGPLANK_ENV=production",
        );
        self.weak(
            !config.listen.plain.is_empty(),
            "listen.plain",
            "agents send their keys in cleartext there",
            "remove it, and let agents use TLS",
        );
        let behind = config.listen.behind_proxy.as_ref();
        let remote = behind.is_some_and(|behind| reachable(behind.address.ip()));
        self.weak(
            remote,
            "listen.behind_proxy.address",
            "what comes from the proxy crosses a network in cleartext",
            "listen on 127.0.0.1 and run the proxy on this machine",
        );
        let wide = |bits: u8, v4: bool| if v4 { bits < 8 } else { bits < 32 };
        let trusts = behind.is_some_and(|behind| {
            let wide = |net: &ipnet::IpNet| wide(net.prefix_len(), net.addr().is_ipv4());
            behind.trusted.iter().any(wide)
        });
        self.weak(
            trusts,
            "listen.behind_proxy.trusted",
            "almost anybody may say from where a client comes",
            "name the addresses of the proxies",
        );
    }

    fn auth(&mut self) {
        let auth = &self.config.auth;
        self.weak(
            auth.origins.iter().any(|origin| origin == "*"),
            "auth.origins",
            "any web page may use the logins of whoever visits it",
            "name the origins of your own pages",
        );
        self.weak(
            auth.origins.iter().any(|origin| origin.starts_with("http://")),
            "auth.origins",
            "a page that came in cleartext may have been changed on its way",
            "serve that page over https and name it so",
        );
        self.weak(
            auth.legacy_query_token,
            "auth.legacy_query_token",
            "tokens in URLs end up in logs and histories",
            "set it to false; programs take a ticket instead",
        );
        self.weak(
            auth.legacy_cookie,
            "auth.legacy_cookie",
            "browsers don't protect that cookie's name from other hosts of the same site",
            "set it to false",
        );
    }

    fn terminals(&mut self) {
        let ssh = &self.config.ssh;
        self.weak(
            ssh.allow_unverified,
            "ssh.allow_unverified",
            "through PatchMon's agents nobody checks which host a password is sent to",
            "set it to false, and move those hosts to gangplank-agent",
        );
        let everything = ssh.allow.iter().any(|network| network.prefix_len() == 0);
        self.weak(
            everything,
            "ssh.allow",
            "every tenant may dial every private address",
            "name the networks of the hosts",
        );
    }

    fn retention(&mut self) {
        let config = self.config;
        let (channels, ingest) = (&config.channels, &config.ingest);
        let topics = channels.topics.values();
        let topic_age = topics.clone().map(|kept| kept.age).max().unwrap_or_default();
        let topic_events = topics.map(|kept| kept.events).max().unwrap_or_default();
        for (key, kept, most) in [
            ("compliance.kept", config.compliance.kept, FINDINGS),
            ("guard.events_kept", config.guard.events_kept, FINDINGS),
            ("ingest.telemetry_kept", ingest.telemetry_kept, HAPPENINGS),
            ("channels.retention", channels.default.age, HAPPENINGS),
            ("channels.topics", topic_age, HAPPENINGS),
        ] {
            self.weak(
                kept > most,
                key,
                "what is kept for ever is lost all at once",
                "keep it for as long as somebody looks at it, such as 400d",
            );
        }
        for (key, events) in
            [("channels.kept", channels.default.events), ("channels.topics", topic_events)]
        {
            self.weak(
                events > EVENTS,
                key,
                "one topic of one tenant can fill the disk before its events are old",
                "keep up to a million events, and send what has to stay elsewhere by a webhook",
            );
        }
        for (key, kept) in [
            ("guard.events_kept", config.guard.events_kept),
            ("ingest.telemetry_kept", ingest.telemetry_kept),
        ] {
            self.weak(
                kept < 7 * DAY,
                key,
                "what led to an incident is gone before anybody looks",
                "keep it for 30d at least",
            );
        }
        self.weak(
            channels.default.age < DAY,
            "channels.retention",
            "a dashboard or receiver that was away for a night misses what happened",
            "keep it for 1d at least",
        );
    }

    fn limits(&mut self) {
        let limits = &self.config.limits;
        let usual = super::Limits::default();
        for (key, value, usual) in [
            ("limits.message", limits.message, usual.message),
            (
                "limits.channel_messages_per_minute",
                limits.channel_messages_per_minute,
                usual.channel_messages_per_minute,
            ),
            ("limits.pending_per_ip", limits.pending_per_ip, usual.pending_per_ip),
            (
                "limits.anonymous_sockets_per_ip",
                limits.anonymous_sockets_per_ip,
                usual.anonymous_sockets_per_ip,
            ),
            ("limits.sockets_per_user", limits.sockets_per_user, usual.sockets_per_user),
            ("limits.channel_subscribers", limits.channel_subscribers, usual.channel_subscribers),
            (
                "limits.auth_failures_per_minute_per_ip",
                limits.auth_failures_per_minute_per_ip,
                usual.auth_failures_per_minute_per_ip,
            ),
            (
                "limits.channel_bytes_per_minute",
                limits.channel_bytes_per_minute,
                usual.channel_bytes_per_minute,
            ),
            ("limits.tickets_per_minute", limits.tickets_per_minute, usual.tickets_per_minute),
        ] {
            let reason = format!("{value} is more than {SANE} times the default, which is {usual}");
            let fix = "lower it; raise it for a load test only";
            self.weak(value / SANE > usual, key, &reason, fix);
        }
        for (key, value, most) in [
            ("limits.establish", limits.establish, Duration::from_secs(60)),
            ("limits.first_message", limits.first_message, Duration::from_secs(60)),
            ("limits.heartbeat", limits.heartbeat, Duration::from_secs(120)),
            ("limits.terminal_idle", limits.terminal_idle, Duration::from_secs(8 * 3600)),
            ("limits.detached_life", limits.detached_life, Duration::from_secs(8 * 3600)),
        ] {
            let reason = "whoever is silent keeps a place, or a terminal, for long";
            self.weak(value > most, key, reason, "lower it");
        }
    }

    fn guard(&mut self) {
        let guard = &self.config.guard;
        self.weak(
            !guard.penalties,
            "guard.penalties",
            "whoever guesses may go on for ever",
            "set it to true; name networks that need it in guard.exempt",
        );
        self.weak(
            guard.exempt.iter().any(|network| network.prefix_len() == 0),
            "guard.exempt",
            "it exempts everybody",
            "name the networks of your load balancers",
        );
        self.weak(
            guard.on_suspicious.is_empty() && guard.on_monitored.is_empty(),
            "guard.on_suspicious",
            "nobody is told of a suspicious login",
            "set it to [\"alert\"]",
        );
    }
}
