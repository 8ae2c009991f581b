//! What a link carries about jobs, beside its channels: words to the agent in a bounded queue of
//! their own, and words of the agent in their order, as many as it may have said without being
//! listened to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gangplank_proto::fact::HeldJob;
use gangplank_proto::id::ChannelId;
use gangplank_proto::job::{FromJob, ToJob};
use gangplank_terminal::queue::{Inlet, Outlet, queue};
use tokio::sync::mpsc;

use crate::store::JobReply;

/// Bytes of words that wait to be taken: an agent's whole window of output, and the outcomes of all
/// that its journal may hold.
const WAITING: usize = 512 << 10;

/// Words that wait to be taken.
const WORDS: usize = 512;

/// How an agent breaks the bounds.
pub(super) const TOO_MUCH: &str = "more about jobs than an agent may say";

/// The link's side.
#[derive(Debug)]
pub(super) struct JobLane {
    to_agent: Inlet<ToJob>,
    words: mpsc::Sender<(JobReply, usize)>,
    waiting: Arc<AtomicUsize>,
}

/// What an agent says about jobs, in its order.
#[derive(Debug)]
pub struct JobWords {
    words: mpsc::Receiver<(JobReply, usize)>,
    waiting: Arc<AtomicUsize>,
}

impl JobLane {
    pub(super) fn new() -> (Self, Outlet<ToJob>, JobWords) {
        // Words only: there are no bytes to bound.
        let (to_agent, outlet) = queue(ChannelId(0), 0);
        let (words, receiver) = mpsc::channel(WORDS);
        let waiting = Arc::new(AtomicUsize::new(0));
        let taken = JobWords { words: receiver, waiting: Arc::clone(&waiting) };
        (Self { to_agent, words, waiting }, outlet, taken)
    }

    /// Puts a word to the agent in; false when it has no room.
    pub(super) fn say(&self, word: ToJob) -> bool {
        self.to_agent.word(word).is_ok()
    }

    /// Takes a word of the agent, without waiting; false when it may not have said it.
    pub(super) fn heard(&self, word: FromJob, len: usize) -> bool {
        self.put(JobReply::Word(word), len)
    }

    /// Takes what the agent's journal holds; false when it may not have said it.
    pub(super) fn held(&self, jobs: Vec<HeldJob>, fresh: bool) -> bool {
        let len = jobs.len() * size_of::<HeldJob>();
        self.put(JobReply::Held { jobs, fresh }, len)
    }

    fn put(&self, reply: JobReply, len: usize) -> bool {
        let waiting = self.waiting.fetch_add(len, Ordering::Relaxed) + len;
        waiting <= WAITING && self.words.try_send((reply, len)).is_ok()
    }
}

impl JobWords {
    /// The next word; none once the link is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<JobReply> {
        let (reply, len) = self.words.recv().await?;
        self.waiting.fetch_sub(len, Ordering::Relaxed);
        Some(reply)
    }
}
