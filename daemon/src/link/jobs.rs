//! What a link carries about jobs, beside its channels: words to the agent in a bounded queue of
//! their own, and words of the agent in their order, as many as it may have said without being
//! listened to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gangplank_proto::fact::HeldJob;
use gangplank_proto::id::ChannelId;
use gangplank_proto::job::{FromJob, ToJob};
use gangplank_terminal::queue::{Inlet, Outlet, queue};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::AgentLink;
use crate::socket::{self, End};
use crate::store::JobReply;

/// Bytes of words that wait to be taken: an agent's whole window of output, and the outcomes of all
/// that its journal may hold.
pub(crate) const WAITING: usize = 512 << 10;

/// Words that wait to be taken.
const WORDS: usize = 512;

/// Bytes a second that are taken of one agent, so that one that prints for ever leaves the store to
/// others.
const PACE: f64 = 2_097_152.0;

/// Time that an agent may save up.
const BURST: Duration = Duration::from_millis(250);

/// What a word costs beside its bytes, whatever it says.
const COST: usize = 1 << 10;

/// How an agent breaks the bounds.
pub(super) const TOO_MUCH: &str = "more about jobs than an agent may say";

/// What is said to an agent about jobs.
#[derive(Debug, Clone)]
pub enum ForAgent {
    /// A word, to an agent of our own.
    Word(ToJob),
    /// An errand, to one that knows no jobs.
    Errand(Errand),
}

/// What an agent that knows no jobs is told to do.
#[derive(Debug, Clone)]
pub struct Errand {
    /// In its own vocabulary.
    pub messages: Vec<String>,
    /// What is noted once it was told.
    pub then: Vec<JobReply>,
}

/// The link's side.
#[derive(Debug)]
pub(super) struct JobLane {
    to_agent: Inlet<ForAgent>,
    words: mpsc::Sender<(JobReply, usize)>,
    waiting: Arc<AtomicUsize>,
}

/// What an agent says about jobs, in its order.
#[derive(Debug)]
pub struct JobWords {
    words: mpsc::Receiver<(JobReply, usize)>,
    waiting: Arc<AtomicUsize>,
    /// When the next word may be taken.
    free_at: Instant,
}

impl Errand {
    /// Tells the agent. What follows is noted once the socket has it all.
    pub(super) async fn tell<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        link: &AgentLink,
        writer: &mut socket::Writer<S>,
    ) -> Result<(), End> {
        for message in self.messages {
            writer.feed(Message::text(message)).await?;
        }
        writer.flush().await?;
        self.then.into_iter().for_each(|reply| link.note_job(reply));
        Ok(())
    }
}

impl JobLane {
    pub(super) fn new() -> (Self, Outlet<ForAgent>, JobWords) {
        // Words only: there are no bytes to bound.
        let (to_agent, outlet) = queue(ChannelId(0), 0);
        let (words, receiver) = mpsc::channel(WORDS);
        let waiting = Arc::new(AtomicUsize::new(0));
        let free_at = Instant::now();
        let taken = JobWords { words: receiver, waiting: Arc::clone(&waiting), free_at };
        (Self { to_agent, words, waiting }, outlet, taken)
    }

    /// Puts a word to the agent in; false when it has no room.
    pub(super) fn say(&self, said: ForAgent) -> bool {
        self.to_agent.word(said).is_ok()
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

    /// Notes what an agent that knows no jobs was told or let know; false when it may not have.
    pub(super) fn note(&self, reply: JobReply) -> bool {
        self.put(reply, 0)
    }

    fn put(&self, reply: JobReply, len: usize) -> bool {
        let waiting = self.waiting.fetch_add(len, Ordering::Relaxed) + len;
        waiting <= WAITING && self.words.try_send((reply, len)).is_ok()
    }
}

impl JobWords {
    /// The next word, at the pace that one agent may have; none once the link is gone.
    pub async fn next(&mut self) -> Option<JobReply> {
        let (reply, len) = self.words.recv().await?;
        self.waiting.fetch_sub(len, Ordering::Relaxed);
        let now = Instant::now();
        tokio::time::sleep_until(self.free_at).await;
        let time = Duration::try_from_secs_f64((len + COST) as f64 / PACE).unwrap_or_default();
        // What was not used for a while may come at once.
        self.free_at = self.free_at.max(now.checked_sub(BURST).unwrap_or(now)) + time;
        Some(reply)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use gangplank_proto::id::JobId;
    use gangplank_proto::job::Said;

    use super::*;

    fn word() -> FromJob {
        FromJob { job_id: JobId::new(), attempt: 1, said: Said::Received }
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_is_taken_at_its_pace() {
        let (lane, _outlet, mut words) = JobLane::new();
        let start = Instant::now();
        for _ in 0..400 {
            assert!(lane.heard(word(), 15 << 10));
            words.next().await.unwrap();
        }
        // 6.25 MiB at 2 MiB a second.
        let took = start.elapsed();
        assert!(took > Duration::from_millis(2_500) && took < Duration::from_secs(4), "{took:?}");
    }

    #[tokio::test]
    async fn an_agent_that_is_not_listened_to_says_so_much_and_no_more() {
        let (lane, _outlet, mut words) = JobLane::new();
        let mut said = 0;
        while lane.heard(word(), 16 << 10) {
            said += 1;
        }
        assert_eq!(said, WAITING / (16 << 10));
        drop(lane);
        for _ in 0..said {
            words.next().await.unwrap();
        }
        assert!(words.next().await.is_none());
    }
}
