//! Whoever sits before a terminal in these tests.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use gangplank_proto::error::{HostKey, OpenError};
use gangplank_proto::id::SessionId;
use gangplank_proto::limit;
use gangplank_proto::link::{Base64, Exit, FromTerminal, Keep, Open, Prompt, ToTerminal};
use gangplank_proto::secret::Secret;
use gangplank_terminal::channel::{Channel, ChannelInput};
use gangplank_terminal::input_log::InputLog;
use gangplank_terminal::keeper::{Keeper, KeeperConfig};
use gangplank_terminal::queue::Item;
use gangplank_terminal::ssh::key::UserKey;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::sshd::me;

/// Long enough for a busy machine, and for a login shell whose profile takes its time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(150);

pub(crate) fn keeper() -> Keeper {
    keeper_with(KeeperConfig::default())
}

pub(crate) fn keeper_with(config: KeeperConfig) -> Keeper {
    Keeper::new(config, TaskTracker::new(), CancellationToken::new())
}

/// Waits until `condition` answers something.
pub(crate) async fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("too late: {what}"))
}

/// Sends all of `data`, as the terminal takes it.
pub(crate) async fn send(input: &ChannelInput, data: Bytes) {
    let mut log = InputLog::default();
    log.push(data);
    while log.waiting() > 0 {
        soon("room for input", input.writable()).await;
        input.send(&mut log).unwrap();
    }
}

pub(crate) struct Viewer {
    pub(crate) channel: Channel,
    pub(crate) session_id: SessionId,
    /// Output that no test has looked at yet.
    pub(crate) seen: Vec<u8>,
    /// Whether shown output is acknowledged.
    pub(crate) acknowledges: bool,
    /// Prompts so far.
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) answers: Vec<Vec<&'static str>>,
    pub(crate) signs: usize,
}

/// What came next.
#[derive(Debug)]
pub(crate) enum Came {
    Data(usize),
    Eof,
    Close(Exit),
    Gone,
}

impl Viewer {
    pub(crate) fn open(keeper: &Keeper, open: Open) -> Self {
        let (channel, end) = Channel::pair(limit::TERMINAL_WINDOW);
        let session_id = SessionId::new();
        keeper.open(session_id, open, Keep::default(), end);
        Self::of(channel, session_id)
    }

    /// Whoever holds the channel to a terminal that is open already.
    pub(crate) fn of(channel: Channel, session_id: SessionId) -> Self {
        Self {
            channel,
            session_id,
            seen: Vec::new(),
            acknowledges: true,
            prompts: Vec::new(),
            answers: Vec::new(),
            signs: 0,
        }
    }

    /// Waits for the connection, signing with `key` and answering prompts on the way.
    pub(crate) async fn connected(
        &mut self,
        key: Option<&UserKey>,
    ) -> Result<Option<HostKey>, OpenError> {
        loop {
            let item = soon("a connection", self.channel.output.recv()).await;
            match item.unwrap().expect("the terminal is gone without a word") {
                Item::Word(FromTerminal::Connected {
                    host_key,
                    offset: 0,
                    input_offset: 0,
                    ..
                }) => {
                    return Ok(host_key);
                }
                Item::Word(FromTerminal::Error(error)) => {
                    let after = self.channel.output.recv().await.unwrap();
                    assert!(after.is_none(), "a word after the last");
                    return Err(error);
                }
                Item::Word(FromTerminal::SignRequest { data, .. }) => {
                    self.signs += 1;
                    let signature = key.and_then(|key| key.sign_login(&data.0, &me()).ok());
                    let signature = signature.map(Base64);
                    self.word(ToTerminal::Signature { signature });
                }
                Item::Word(FromTerminal::Prompt { prompts, .. }) => {
                    self.prompts.extend(prompts);
                    let answers = self.answers.remove(0).into_iter();
                    let answers = answers.map(|answer| Secret::new(answer.to_owned())).collect();
                    self.word(ToTerminal::Answers { answers });
                }
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    pub(crate) fn word(&self, word: ToTerminal) {
        self.channel.input.word(word).unwrap();
    }

    pub(crate) async fn send(&self, text: impl Into<Bytes>) {
        send(&self.channel.input, text.into()).await;
    }

    pub(crate) async fn next(&mut self) -> Came {
        loop {
            return match self.channel.output.recv().await.unwrap() {
                None => Came::Gone,
                Some(Item::Data(data)) => {
                    self.seen.extend_from_slice(&data);
                    if self.acknowledges {
                        self.channel.output.consumed(data.len());
                    }
                    Came::Data(data.len())
                }
                Some(Item::Word(FromTerminal::Eof)) => Came::Eof,
                Some(Item::Word(FromTerminal::WindowAdjust { .. })) => continue,
                Some(Item::Word(FromTerminal::Close(exit))) => Came::Close(exit),
                Some(Item::Word(word)) => panic!("unexpected: {word:?}"),
            };
        }
    }

    /// Waits for `wanted` in the output, forgets everything up to its end and answers what came
    /// before it.
    pub(crate) async fn until(&mut self, wanted: &str) -> String {
        soon(wanted, async {
            loop {
                let found = self.seen.windows(wanted.len()).position(|w| w == wanted.as_bytes());
                if let Some(at) = found {
                    let before = self.seen.drain(..at).collect::<Vec<_>>();
                    self.seen.drain(..wanted.len());
                    return String::from_utf8_lossy(&before).into_owned();
                }
                match self.next().await {
                    Came::Data(_) => {}
                    other => panic!("{wanted:?} never came, but {other:?}: {}", self.text()),
                }
            }
        })
        .await
    }

    /// Collects output until there are `len` bytes.
    pub(crate) async fn collect(&mut self, len: usize) {
        soon("output", async {
            while self.seen.len() < len {
                match self.next().await {
                    Came::Data(_) => {}
                    other => panic!("{} of {len} bytes, then {other:?}", self.seen.len()),
                }
            }
        })
        .await;
    }

    /// Reads to the end and answers how it was.
    pub(crate) async fn exit(&mut self) -> Exit {
        soon("the end", async {
            loop {
                match self.next().await {
                    Came::Close(exit) => {
                        self.channel.input.close();
                        assert!(matches!(self.next().await, Came::Gone), "a word after the last");
                        return exit;
                    }
                    Came::Gone => panic!("gone without a word"),
                    Came::Data(_) | Came::Eof => {}
                }
            }
        })
        .await
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}
