//! How long things are kept: as the daemon is configured, as those who look after tenants have said
//! for one of them, and as that one wishes itself, which is never more.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use gangplank_proto::id::TenantId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::app::App;
use crate::config::{Config, parse_duration, show_duration};
use crate::event::Topic;
use crate::store::{Kept, Retention, StoreError, Whose};

/// Shortest time that anything is kept.
const SHORTEST: Duration = Duration::from_secs(1);

/// Longest time that anything is kept, which is longer than any disk lives.
const LONGEST: Duration = Duration::from_secs(36_500 * 24 * 3600);

/// A time that something is kept for, written as in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age(Duration);

impl Age {
    /// As a duration.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }
}

impl Serialize for Age {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&show_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let age = parse_duration(&text).filter(|age| (SHORTEST..=LONGEST).contains(age));
        age.map(Self).ok_or_else(|| D::Error::custom("an age is a time from 1s on, such as 30d"))
    }
}

/// How many events of a topic are kept, and for how long; what is absent is as elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// For so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<Age>,
    /// The newest so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<NonZeroU32>,
}

/// What somebody says about a tenant; what is absent is as elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keeping {
    /// Events of every topic that isn't named.
    pub events: Amount,
    /// Events of the topics that are.
    pub topics: BTreeMap<Topic, Amount>,
    /// Commands that are over, and requests for approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Age>,
    /// Compliance scans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scans: Option<Age>,
    /// Measurements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<Age>,
    /// Other rows that devices send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<Age>,
}

impl Keeping {
    fn of(&self, topic: Topic) -> Amount {
        let named = self.topics.get(&topic).copied().unwrap_or_default();
        Amount { age: named.age.or(self.events.age), count: named.count.or(self.events.count) }
    }
}

/// How long everything of a tenant is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Events.
    pub events: Retention,
    /// Commands that are over, and requests for approval.
    pub jobs: Duration,
    /// Compliance scans.
    pub scans: Duration,
    /// Measurements.
    pub telemetry: Duration,
    /// Other rows that devices send.
    pub records: Duration,
}

impl InForce {
    /// As the daemon is configured.
    #[must_use]
    pub fn configured(config: &Config) -> Self {
        Self {
            events: config.channels.clone(),
            jobs: config.jobs.kept,
            scans: config.compliance.kept,
            telemetry: config.ingest.telemetry_kept,
            records: config.ingest.records_kept,
        }
    }

    /// With what those who look after tenants have said, be it more or less.
    #[must_use]
    pub fn granted(&self, said: &Keeping) -> Self {
        let amount = |said: Amount, before: Kept| Kept {
            events: said.count.map_or(before.events, |count| u64::from(count.get())),
            age: said.age.map_or(before.age, |age| age.0),
        };
        self.with(said, amount, |said, before| said.map_or(before, |age| age.0))
    }

    /// With what the tenant wishes, as far as that is less.
    #[must_use]
    pub fn within(&self, wish: &Keeping) -> Self {
        let amount = |wish: Amount, most: Kept| Kept {
            events: wish.count.map_or(most.events, |count| most.events.min(count.get().into())),
            age: wish.age.map_or(most.age, |age| most.age.min(age.0)),
        };
        self.with(wish, amount, |wish, most| wish.map_or(most, |age| most.min(age.0)))
    }

    fn with(
        &self,
        said: &Keeping,
        amount: impl Fn(Amount, Kept) -> Kept,
        age: impl Fn(Option<Age>, Duration) -> Duration,
    ) -> Self {
        let topics = Topic::ALL.into_iter().map(|topic| {
            let kept = amount(said.of(topic), self.events.of(topic.as_str()));
            (topic.as_str().to_owned(), kept)
        });
        Self {
            events: Retention {
                default: amount(said.events, self.events.default),
                topics: topics.collect(),
            },
            jobs: age(said.jobs, self.jobs),
            scans: age(said.scans, self.scans),
            telemetry: age(said.telemetry, self.telemetry),
            records: age(said.records, self.records),
        }
    }

    /// The first thing that a wish would have kept for longer, or more of.
    #[must_use]
    pub fn exceeded_by(&self, wish: &Keeping) -> Option<String> {
        let more = |amount: Amount, most: Kept| {
            amount.age.is_some_and(|age| age.0 > most.age)
                || amount.count.is_some_and(|count| u64::from(count.get()) > most.events)
        };
        if more(wish.events, self.events.default) {
            return Some("events".to_owned());
        }
        for (topic, amount) in &wish.topics {
            if more(*amount, self.events.of(topic.as_str())) {
                return Some(format!("topics.{}", topic.as_str()));
            }
        }
        let ages = [
            ("jobs", wish.jobs, self.jobs),
            ("scans", wish.scans, self.scans),
            ("telemetry", wish.telemetry, self.telemetry),
            ("records", wish.records, self.records),
        ];
        let longer = ages.into_iter().find(|(_, wish, most)| wish.is_some_and(|age| age.0 > *most));
        longer.map(|(name, ..)| name.to_owned())
    }

    /// The same, as somebody would say it.
    #[must_use]
    pub fn said(&self) -> Keeping {
        let amount = |kept: Kept| Amount {
            age: Some(Age(kept.age)),
            count: NonZeroU32::new(u32::try_from(kept.events).unwrap_or(u32::MAX)),
        };
        let topics = Topic::ALL.into_iter().filter_map(|topic| {
            let kept = self.events.of(topic.as_str());
            (kept != self.events.default).then(|| (topic, amount(kept)))
        });
        Keeping {
            events: amount(self.events.default),
            topics: topics.collect(),
            jobs: Some(Age(self.jobs)),
            scans: Some(Age(self.scans)),
            telemetry: Some(Age(self.telemetry)),
            records: Some(Age(self.records)),
        }
    }
}

/// How long everything is kept, of every tenant.
#[derive(Debug)]
pub struct Rules {
    others: InForce,
    tenants: BTreeMap<TenantId, InForce>,
}

impl Rules {
    /// Of one tenant.
    #[must_use]
    pub fn of(&self, tenant: TenantId) -> &InForce {
        self.tenants.get(&tenant).unwrap_or(&self.others)
    }

    /// Of each tenant about which something is said, and of all others together.
    pub fn iter(&self) -> impl Iterator<Item = (Whose, &InForce)> {
        let tenants = self.tenants.iter().map(|(tenant, kept)| (Whose::Tenant(*tenant), kept));
        tenants.chain([(Whose::Others, &self.others)])
    }
}

impl App {
    /// How long everything is kept now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn retention(&self) -> Result<Rules, StoreError> {
        let others = InForce::configured(&self.config());
        let said = self.store.retentions().await?;
        let tenants = said.into_iter().map(|(tenant, said)| {
            let kept = others.granted(&said.granted).within(&said.own);
            (tenant, kept)
        });
        Ok(Rules { tenants: tenants.collect(), others })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn configured() -> InForce {
        let default = Kept { events: 1000, age: 7 * DAY };
        let receipts = Kept { events: 1000, age: 90 * DAY };
        InForce {
            events: Retention { default, topics: [("receipts".to_owned(), receipts)].into() },
            jobs: 30 * DAY,
            scans: 400 * DAY,
            telemetry: 90 * DAY,
            records: 7 * DAY,
        }
    }

    fn keeping(text: serde_json::Value) -> Keeping {
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn a_tenant_keeps_less_and_is_given_more() {
        let configured = configured();
        let wish =
            keeping(json!({ "events": { "age": "2d" }, "topics": { "alerts": { "count": 5 } },
            "jobs": "90d", "records": "1d" }));
        let kept = configured.within(&wish);
        assert_eq!(kept.events.of("hosts"), Kept { events: 1000, age: 2 * DAY });
        assert_eq!(kept.events.of("alerts"), Kept { events: 5, age: 2 * DAY });
        assert_eq!(kept.events.of("receipts"), Kept { events: 1000, age: 2 * DAY });
        assert_eq!((kept.jobs, kept.records, kept.scans), (30 * DAY, DAY, 400 * DAY));
        let grant = keeping(json!({ "topics": { "alerts": { "age": "60d", "count": 50000 } },
            "jobs": "90d" }));
        let granted = configured.granted(&grant);
        assert_eq!(granted.events.of("alerts"), Kept { events: 50_000, age: 60 * DAY });
        assert_eq!(granted.events.of("hosts"), configured.events.default);
        assert_eq!(granted.events.of("receipts").age, 90 * DAY);
        assert_eq!(granted.within(&wish).jobs, 90 * DAY);
        assert_eq!(granted.within(&Keeping::default()), granted);
        assert_eq!(configured.granted(&configured.said()).said(), configured.said());
    }

    #[test]
    fn a_wish_for_more_is_found() {
        let configured = configured();
        for (wish, what) in [
            (json!({ "events": { "age": "8d" } }), Some("events")),
            (json!({ "topics": { "vpn": { "count": 1001 } } }), Some("topics.vpn")),
            (json!({ "topics": { "receipts": { "age": "90d" } } }), None),
            (json!({ "telemetry": "91d" }), Some("telemetry")),
            (json!({ "events": { "age": "7d", "count": 1000 }, "scans": "400d" }), None),
        ] {
            assert_eq!(configured.exceeded_by(&keeping(wish.clone())).as_deref(), what, "{wish}");
        }
    }

    #[test]
    fn only_what_can_be_kept_is_read() {
        for wrong in [
            json!({ "events": { "age": "0s" } }),
            json!({ "events": { "count": 0 } }),
            json!({ "topics": { "cats": {} } }),
            json!({ "jobs": 30 }),
            json!({ "jobs": "for ever" }),
            json!({ "audit": "1d" }),
        ] {
            assert!(serde_json::from_value::<Keeping>(wrong.clone()).is_err(), "{wrong}");
        }
        let said = json!({ "events": {}, "topics": { "agent_thoughts": { "age": "36h" } } });
        assert_eq!(json!(keeping(said.clone())), said);
    }
}
