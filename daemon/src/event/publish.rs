//! The one desk at which events are handed in. What comes in while a commit is under way waits for
//! the next one, together: many publishers share a commit, and one pays for none.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gangplank_proto::id::TenantId;
use serde_json::Value;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::TaskTracker;

use super::Topic;
use super::feed::Feeds;
use super::frame::Frame;
use crate::clock::Clock;
use crate::store::{Appended, Appending, Once, Published, Store, StoreError};

/// KiB of events that wait to be written at most; who brings more waits itself.
const WAITING: u32 = 16 << 10;

/// Events written in one transaction, unless one publication has more.
const TOGETHER: usize = 2048;

/// Events of one topic that are published together, all or none.
#[derive(Debug)]
pub struct Publication {
    /// Whose topic.
    pub tenant: TenantId,
    /// The topic.
    pub topic: Topic,
    /// What the events say.
    pub messages: Vec<Value>,
    /// What makes a second publication of the same the first one.
    pub once: Option<Once>,
}

type Answer = Result<Vec<Published>, StoreError>;

#[derive(Debug)]
struct Order {
    topic: Topic,
    appending: Appending,
    answer: oneshot::Sender<Answer>,
}

#[derive(Debug, Default)]
struct Queue {
    orders: VecDeque<Order>,
    /// Whether somebody writes them.
    written: bool,
}

/// Where events are handed in.
#[derive(Debug)]
pub(super) struct Desk {
    store: Store,
    clock: Clock,
    feeds: Arc<Feeds>,
    tracker: TaskTracker,
    queue: Mutex<Queue>,
    room: Semaphore,
}

impl Desk {
    pub(super) fn new(store: Store, clock: Clock, feeds: Arc<Feeds>, tracker: TaskTracker) -> Self {
        let room = Semaphore::new(WAITING as usize);
        Self { store, clock, feeds, tracker, queue: Mutex::default(), room }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands publications in, in their order, and answers each of them.
    pub(super) async fn publish(self: &Arc<Self>, publications: Vec<Publication>) -> Vec<Answer> {
        let mut size = 0;
        let (orders, answers): (Vec<_>, Vec<_>) = publications
            .into_iter()
            .map(|Publication { tenant, topic, messages, once }| {
                let messages: Vec<_> = messages.iter().map(Value::to_string).collect();
                size += messages.iter().map(String::len).sum::<usize>() / 1024 + messages.len();
                let appending = Appending { tenant, topic: topic.as_str(), messages, once };
                let (answer, answered) = oneshot::channel();
                (Order { topic, appending, answer }, answered)
            })
            .unzip();
        let size = u32::try_from(size).unwrap_or(WAITING).min(WAITING);
        // It is never closed.
        let _room = self.room.acquire_many(size).await;
        let idle = {
            let mut queue = self.queue();
            // At once, so that nothing comes between them and none overtakes another.
            queue.orders.extend(orders);
            !std::mem::replace(&mut queue.written, true)
        };
        if idle {
            // A task of its own, because whoever brought this may leave in the middle.
            let desk = Arc::clone(self);
            self.tracker.spawn(async move { desk.write().await });
        }
        let mut said = Vec::with_capacity(answers.len());
        for answered in answers {
            said.push(answered.await.unwrap_or(Err(StoreError::Corrupt("publication"))));
        }
        said
    }

    /// Writes until nothing waits.
    async fn write(&self) {
        loop {
            let orders = {
                let mut queue = self.queue();
                let (mut orders, mut size) = (Vec::new(), 0);
                while let Some(order) = queue.orders.front() {
                    size += order.appending.messages.len();
                    if size > TOGETHER && !orders.is_empty() {
                        break;
                    }
                    orders.extend(queue.orders.pop_front());
                }
                if orders.is_empty() {
                    queue.written = false;
                    return;
                }
                orders
            };
            self.commit(orders).await;
        }
    }

    /// Commits orders together; when that fails, each by itself, so that none fails for another's
    /// sake.
    async fn commit(&self, orders: Vec<Order>) {
        let (answers, topics, appendings) = split(orders);
        let now = self.clock.now();
        let several = appendings.len() > 1;
        match self.store.append_events(&appendings, now).await {
            Ok(appended) => {
                self.announce(&topics, &appendings, &appended);
                for (answer, appended) in answers.into_iter().zip(appended) {
                    // Whoever asked may have left.
                    let _ = answer.send(Ok(appended.published()));
                }
            }
            Err(error) if !several => {
                if let Some(answer) = answers.into_iter().next() {
                    let _ = answer.send(Err(error));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "events could not be committed together");
                for ((answer, topic), appending) in answers.into_iter().zip(topics).zip(appendings)
                {
                    let one = [appending];
                    let done = self.store.append_events(&one, now).await;
                    let said = done.and_then(|mut appended| {
                        self.announce(&[topic], &one, &appended);
                        appended.pop().map(Appended::published).ok_or(StoreError::Corrupt("event"))
                    });
                    let _ = answer.send(said);
                }
            }
        }
    }

    /// Tells of what was committed, in the order of its numbers.
    fn announce(&self, topics: &[Topic], appendings: &[Appending], appended: &[Appended]) {
        let mut told: BTreeMap<(TenantId, &str), (Topic, u64, Vec<Frame>)> = BTreeMap::new();
        for ((topic, appending), appended) in topics.iter().zip(appendings).zip(appended) {
            let Appended::New(events) = appended else { continue };
            let entry = told.entry((appending.tenant, appending.topic));
            let (_, latest, frames) = entry.or_insert_with(|| (*topic, 0, Vec::new()));
            for event in events {
                *latest = event.seq.max(*latest);
                frames.push(Frame::new(appending.topic, event));
            }
        }
        for ((tenant, _), (topic, latest, frames)) in told {
            self.feeds.announce(tenant, topic, latest, frames.into_iter());
        }
    }
}

type Split = (Vec<oneshot::Sender<Answer>>, Vec<Topic>, Vec<Appending>);

fn split(orders: Vec<Order>) -> Split {
    let mut split: Split = Default::default();
    for Order { topic, appending, answer } in orders {
        split.0.push(answer);
        split.1.push(topic);
        split.2.push(appending);
    }
    split
}
