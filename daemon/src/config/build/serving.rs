//! What the daemon keeps, reads and writes while it serves.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Values;
use crate::config::value::parse_duration;
use crate::config::{Log, LogFormat, RedisStream};
use crate::event::Topic;
use crate::store::{Kept, Retention};

/// Longest path that fits into a socket's address, in bytes.
const LONGEST_SOCKET: usize = 107;

impl Values {
    pub(super) fn retention(&mut self) -> Retention {
        let default =
            Kept { events: self.number("channels.kept"), age: self.time("channels.retention") };
        let mut topics = BTreeMap::new();
        for text in self.list("channels.topics") {
            match kept(&text, default.events) {
                Some((topic, kept)) => {
                    topics.insert(topic.as_str().to_owned(), kept);
                }
                None => {
                    let reason = format!("{text:?} does not say how much of a topic is kept");
                    let fix = "write TOPIC=AGE or TOPIC=AGE/EVENTS, such as receipts=90d/100000";
                    self.wrong("channels.topics", &reason, fix);
                }
            }
        }
        Retention { default, topics }
    }

    pub(super) fn redis(&mut self) -> Option<RedisStream> {
        let key = "redis.url";
        let server = self.secret(key)?;
        if ::redis::parse_redis_url(server.expose()).is_none() {
            let fix =
                "write redis://HOST:PORT, or rediss:// for TLS, with USER:PASSWORD@ if needed";
            self.wrong(key, "it is not the URL of a Redis server", fix);
        }
        Some(RedisStream {
            server,
            stream: self.text("redis.stream").unwrap_or_default(),
            group: self.text("redis.group").unwrap_or_default(),
            consumer: self.text("redis.consumer").unwrap_or_default(),
            tenant: self.text("redis.tenant"),
        })
    }

    pub(super) fn keeper_socket(&mut self) -> Option<PathBuf> {
        let key = "keeper.socket";
        let path = PathBuf::from(self.text(key)?);
        if !path.is_absolute() || path.as_os_str().len() > LONGEST_SOCKET {
            let reason = format!("{} can't be the path of a socket", path.display());
            let fix = format!("write an absolute path of {LONGEST_SOCKET} bytes at most");
            self.wrong(key, &reason, &fix);
        }
        Some(path)
    }

    pub(super) fn log(&self) -> Log {
        let level = self.text("log.level").and_then(|level| level.parse().ok());
        let json = self.text("log.format").as_deref() == Some("json");
        Log {
            level: level.unwrap_or(tracing::Level::INFO),
            format: if json { LogFormat::Json } else { LogFormat::Text },
        }
    }
}

/// What `TOPIC=AGE` or `TOPIC=AGE/EVENTS` says.
fn kept(text: &str, events: u64) -> Option<(Topic, Kept)> {
    let (topic, kept) = text.split_once('=')?;
    let (age, events) = match kept.split_once('/') {
        Some((age, number)) => (age, number.trim().parse().ok().filter(|number| *number > 0)?),
        None => (kept, events),
    };
    Some((Topic::named(topic.trim())?, Kept { events, age: parse_duration(age.trim())? }))
}
