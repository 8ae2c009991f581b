use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::*;
use crate::audit::By;
use crate::clock::Timestamp;
use crate::store::{DataDir, Kept, Once, Retention};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const MOST: u64 = 500;

struct Bench {
    events: Events,
    store: Store,
    clock: Clock,
    tenant: TenantId,
    other: TenantId,
    directory: tempfile::TempDir,
}

async fn bench() -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(DataDir::open(directory.path()).unwrap()).await.unwrap();
    let clock = Clock::manual(START);
    let by = By::daemon(START);
    let tenant = store.bootstrap(&by).await.unwrap().id;
    let other = store.create_tenant(&by, "other").await.unwrap().id;
    let events = Events::new(store.clone(), clock.clone(), TaskTracker::new());
    Bench { events, store, clock, tenant, other, directory }
}

impl Bench {
    fn follow(&self, tenant: TenantId, after: u64) -> Follower {
        let listener = self.events.listen(tenant, Topic::Alerts, MOST).unwrap();
        self.events.follow(listener, after, Form::Bare)
    }

    async fn publish(&self, tenant: TenantId, n: u64) -> u64 {
        self.events.publish(tenant, Topic::Alerts, &json!({ "n": n })).await.unwrap().seq
    }

    async fn several(&self, key: Option<&str>, numbers: &[u64]) -> Result<Vec<u64>, StoreError> {
        let messages: Vec<_> = numbers.iter().map(|n| json!({ "n": n })).collect();
        let digest = format!("{numbers:?}");
        let once = key.map(|key| Once { key: key.to_owned(), digest });
        let (tenant, topic) = (self.tenant, Topic::Alerts);
        let publication = Publication { tenant, topic, messages, once };
        let published = self.events.publish_all(publication).await?;
        Ok(published.iter().map(|event| event.seq).collect())
    }
}

fn number(text: &Utf8Bytes) -> u64 {
    serde_json::from_str::<serde_json::Value>(text).unwrap()["n"].as_u64().unwrap()
}

/// Everything that a follower is told until it knows all.
async fn heard(follower: &mut Follower) -> Vec<u64> {
    let mut numbers = Vec::new();
    loop {
        let heard = follower.next().await.unwrap();
        assert_eq!(heard.gap, None);
        if heard.is_empty() {
            return numbers;
        }
        numbers.extend(heard.texts.iter().map(number));
    }
}

#[tokio::test]
async fn many_publications_at_once_keep_their_order() {
    let bench = bench().await;
    let (tenant, topic) = (bench.tenant, Topic::Alerts);
    let mut follower = bench.follow(tenant, 0);
    // More than a task does before it has to make way for others.
    let numbers: Vec<u64> = (0..300).collect();
    let one = |n: &u64| {
        let once = Some(Once { key: n.to_string(), digest: n.to_string() });
        Publication { tenant, topic, messages: vec![json!({ "n": n })], once }
    };
    bench.events.publish_each(numbers.iter().map(one).collect()).await.unwrap();
    assert_eq!(heard(&mut follower).await, numbers);
}

#[tokio::test]
async fn what_is_published_is_heard_in_order_and_by_its_tenant_alone() {
    let bench = bench().await;
    let mut before = bench.follow(bench.tenant, 0);
    assert_eq!(bench.publish(bench.tenant, 1).await, 1);
    let mut stranger = bench.follow(bench.other, 0);
    let mut late = bench.follow(bench.tenant, 1);
    assert_eq!(bench.several(None, &[2, 3]).await.unwrap(), [2, 3]);
    tokio::time::timeout(Duration::from_secs(5), before.changed()).await.unwrap();
    assert_eq!(heard(&mut before).await, [1, 2, 3]);
    assert_eq!(heard(&mut late).await, [2, 3]);
    assert!(heard(&mut stranger).await.is_empty());
    // Committed by others together with what it tells of.
    let event = bench.store.append_event(bench.tenant, "alerts", json!({ "n": 4 }), START).await;
    bench.events.tell(bench.tenant, Topic::Alerts, event.unwrap().seq);
    bench.publish(bench.tenant, 5).await;
    for follower in [&mut before, &mut late] {
        assert_eq!(heard(follower).await, [4, 5]);
    }
}

#[tokio::test]
async fn many_who_publish_at_once_get_numbers_without_holes() {
    let bench = std::sync::Arc::new(bench().await);
    let mut follower = bench.follow(bench.tenant, 0);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200 {
        let bench = std::sync::Arc::clone(&bench);
        let tenant = if n % 4 == 0 { bench.other } else { bench.tenant };
        tasks.spawn(async move { (tenant, bench.publish(tenant, n).await, n) });
    }
    let mut published: BTreeMap<(TenantId, u64), u64> = BTreeMap::new();
    while let Some(done) = tasks.join_next().await {
        let (tenant, seq, n) = done.unwrap();
        assert_eq!(published.insert((tenant, seq), n), None);
    }
    let own = published.iter().filter(|((tenant, _), _)| *tenant == bench.tenant);
    let own: Vec<_> = own.map(|((_, seq), n)| (*seq, *n)).collect();
    assert_eq!(own.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (1..=150).collect::<Vec<_>>());
    assert_eq!(heard(&mut follower).await, own.iter().map(|(_, n)| *n).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_publication_with_a_key_is_made_once() {
    let bench = bench().await;
    let mut follower = bench.follow(bench.tenant, 0);
    assert_eq!(bench.several(Some("k"), &[1, 2]).await.unwrap(), [1, 2]);
    assert_eq!(bench.several(Some("k"), &[1, 2]).await.unwrap(), [1, 2]);
    let other = bench.several(Some("k"), &[3]).await;
    assert!(matches!(other, Err(StoreError::Refused(_))), "{other:?}");
    assert_eq!(bench.several(Some("l"), &[3]).await.unwrap(), [3]);
    assert_eq!(heard(&mut follower).await, [1, 2, 3]);
    bench.store.forget_event_keys(START.plus(Duration::from_secs(25 * 3600))).await.unwrap();
    assert_eq!(bench.several(Some("k"), &[4]).await.unwrap(), [4]);
}

#[tokio::test]
async fn one_that_fails_fails_alone() {
    let bench = bench().await;
    let nobody = TenantId::new();
    let message = json!({});
    let wrong = bench.events.publish(nobody, Topic::Alerts, &message);
    let right = bench.events.publish(bench.tenant, Topic::Alerts, &message);
    let (wrong, right) = tokio::join!(wrong, right);
    assert!(wrong.is_err());
    assert_eq!(right.unwrap().seq, 1);
}

/// The state on disk of a daemon that was killed between a commit and its announcement.
#[tokio::test]
async fn what_was_committed_and_never_announced_is_heard_after_a_restart() {
    let Bench { events, store, tenant, directory, clock, .. } = bench().await;
    let published = events.publish(tenant, Topic::Alerts, &json!({ "n": 1 })).await.unwrap();
    store.append_event(tenant, "alerts", json!({ "n": 2 }), START).await.unwrap();
    drop(events);
    store.close().await;
    drop(store);
    let store = Store::open(DataDir::open(directory.path()).unwrap()).await.unwrap();
    let events = Events::new(store, clock, TaskTracker::new());
    let listener = events.listen(tenant, Topic::Alerts, MOST).unwrap();
    let mut follower = events.follow(listener, published.seq, Form::Bare);
    assert_eq!(heard(&mut follower).await, [2]);
}

#[tokio::test]
async fn places_are_counted_by_who_is_there() {
    let bench = bench().await;
    let listen = || bench.events.listen(bench.tenant, Topic::Vpn, 2);
    let first = listen().unwrap();
    let _second = listen().unwrap();
    assert!(listen().is_none());
    assert!(bench.events.listen(bench.other, Topic::Vpn, 2).is_some());
    assert!(bench.events.listen(bench.tenant, Topic::Alerts, 2).is_some());
    drop(first);
    assert!(listen().is_some());
}

#[tokio::test]
async fn events_are_kept_by_number_and_by_age() {
    let bench = bench().await;
    let hour = Duration::from_secs(3600);
    let kept = Kept { events: 5, age: 2 * hour };
    let mut retention = Retention { default: kept, topics: BTreeMap::new() };
    let first = async || {
        let passage = bench.store.passage(bench.tenant, "alerts", 0, 1 << 20).await.unwrap();
        (passage.events.first().map(|event| event.seq), passage.last_seq)
    };
    bench.several(None, &(0..2500).collect::<Vec<_>>()).await.unwrap();
    assert!(!bench.store.remove_old_events(|_| &retention, bench.clock.now()).await.unwrap());
    assert_eq!(first().await, (Some(2496), 2500));
    bench.clock.advance(hour);
    bench.publish(bench.tenant, 0).await;
    bench.clock.advance(hour + Duration::from_millis(1));
    bench.store.remove_old_events(|_| &retention, bench.clock.now()).await.unwrap();
    assert_eq!(first().await, (Some(2501), 2501));
    // A topic of its own kind, and numbers that go on although nothing is left.
    retention.topics.insert("alerts".to_owned(), Kept { age: 24 * hour, ..kept });
    bench.clock.advance(3 * hour);
    bench.store.remove_old_events(|_| &retention, bench.clock.now()).await.unwrap();
    assert_eq!(first().await, (Some(2501), 2501));
    retention.topics.clear();
    bench.store.remove_old_events(|_| &retention, bench.clock.now()).await.unwrap();
    assert_eq!(first().await, (None, 2501));
    let mut follower = bench.follow(bench.tenant, 2000);
    let gap = follower.next().await.unwrap().gap.unwrap();
    assert_eq!((gap.from, gap.to, follower.after()), (2001, 2501, 2501));
    // A cursor of a database that was restored since.
    let mut follower = bench.follow(bench.tenant, 9999);
    let gap = follower.next().await.unwrap().gap.unwrap();
    assert_eq!((gap.from, gap.to, follower.after()), (1, 2501, 2501));
    assert_eq!(bench.publish(bench.tenant, 7).await, 2502);
    assert_eq!(heard(&mut follower).await, [7]);
}

/// What happens to a topic and those who follow it.
#[derive(Debug, Clone)]
enum Step {
    /// So many are published together.
    Publish(u64),
    /// So many are committed and told of later, or never.
    Commit(u64, bool),
    /// A follower takes one part of what is new.
    Hear(usize),
    /// A follower is cut off; it comes back with its cursor when it hears the next time.
    Cut(usize),
    /// The same at another tenant's topic.
    Stranger,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..20_u64).prop_map(Step::Publish),
        (1..5_u64, any::<bool>()).prop_map(|(count, told)| Step::Commit(count, told)),
        (0..3_usize).prop_map(Step::Hear),
        (0..3_usize).prop_map(Step::Hear),
        (0..3_usize).prop_map(Step::Cut),
        Just(Step::Stranger),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn whoever_is_cut_off_at_any_time_loses_doubles_and_mixes_up_nothing(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(cut_off(steps));
    }
}

async fn cut_off(steps: Vec<Step>) {
    let bench = bench().await;
    let mut next = 0;
    let mut followers: Vec<(u64, Option<Follower>, Vec<u64>)> =
        (0..3).map(|_| (0, None, Vec::new())).collect();
    for step in steps {
        match step {
            Step::Publish(count) => {
                bench.several(None, &(next..next + count).collect::<Vec<_>>()).await.unwrap();
                next += count;
            }
            Step::Commit(count, told) => {
                for n in next..next + count {
                    let data = json!({ "n": n });
                    let event = bench.store.append_event(bench.tenant, "alerts", data, START).await;
                    if told {
                        bench.events.tell(bench.tenant, Topic::Alerts, event.unwrap().seq);
                    }
                }
                next += count;
            }
            Step::Hear(index) => {
                let (cursor, follower, numbers) = &mut followers[index];
                let follower = follower.get_or_insert_with(|| bench.follow(bench.tenant, *cursor));
                let heard = follower.next().await.unwrap();
                assert_eq!(heard.gap, None);
                numbers.extend(heard.texts.iter().map(number));
                *cursor = follower.after();
            }
            Step::Cut(index) => followers[index].1 = None,
            Step::Stranger => {
                bench.publish(bench.other, 1_000_000).await;
            }
        }
    }
    // The last one is announced, as the next event always is.
    bench.publish(bench.tenant, next).await;
    for (cursor, follower, mut numbers) in followers {
        let mut follower = follower.unwrap_or_else(|| bench.follow(bench.tenant, cursor));
        numbers.extend(heard(&mut follower).await);
        assert_eq!(numbers, (0..=next).collect::<Vec<_>>());
    }
}
