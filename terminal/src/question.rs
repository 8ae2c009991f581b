//! What a terminal asks its viewer while it opens: a signature, or a person's answers.

use std::time::Duration;

use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::link::{Base64, FromTerminal, Prompt, RsaHash, ToTerminal};
use gangplank_proto::secret::Secret;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// One question, with the place where its answer goes.
pub(crate) enum Question {
    /// For a person.
    Prompt {
        name: String,
        instructions: String,
        prompts: Vec<Prompt>,
        answer: oneshot::Sender<Vec<Secret>>,
    },
    /// For whoever holds the private key. No signature means a refusal.
    Sign { data: Vec<u8>, hash: Option<RsaHash>, answer: oneshot::Sender<Option<Vec<u8>>> },
}

/// A question that was asked and waits for its answer.
pub(crate) enum Asked {
    Prompt { count: usize, answer: oneshot::Sender<Vec<Secret>> },
    Sign(oneshot::Sender<Option<Vec<u8>>>),
}

impl Question {
    /// The word to say, and what to keep until the answer comes.
    pub(crate) fn ask(self) -> (FromTerminal, Asked) {
        match self {
            Self::Prompt { name, instructions, prompts, answer } => {
                let count = prompts.len();
                let word = FromTerminal::Prompt { name, instructions, prompts };
                (word, Asked::Prompt { count, answer })
            }
            Self::Sign { data, hash, answer } => {
                (FromTerminal::SignRequest { data: Base64(data), hash }, Asked::Sign(answer))
            }
        }
    }
}

impl Asked {
    /// Takes a word as the answer, or gives this back when the word is about something else.
    pub(crate) fn answer(self, word: ToTerminal) -> Option<Self> {
        // Whoever asked may have given up by now; then nobody takes the answer.
        match (self, word) {
            (Self::Prompt { count, answer }, ToTerminal::Answers { answers })
                if answers.len() == count =>
            {
                let _ = answer.send(answers);
                None
            }
            (Self::Sign(answer), ToTerminal::Signature { signature }) => {
                let _ = answer.send(signature.map(|signature| signature.0));
                None
            }
            (asked, _) => Some(asked),
        }
    }
}

/// Where questions go.
#[derive(Clone)]
pub(crate) struct Questions {
    to: mpsc::Sender<Question>,
    patience: Duration,
}

impl Questions {
    /// Makes the way for questions; each is given up after `patience`.
    pub(crate) fn new(patience: Duration) -> (Self, mpsc::Receiver<Question>) {
        let (to, from) = mpsc::channel(1);
        (Self { to, patience }, from)
    }

    /// Asks the person.
    pub(crate) async fn prompt(
        &self,
        name: String,
        instructions: String,
        prompts: Vec<Prompt>,
    ) -> Result<Vec<Secret>, OpenError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Question::Prompt { name, instructions, prompts, answer }, answered).await
    }

    /// Asks for a signature (RFC 4253 §6.6 form); nothing when it is refused.
    pub(crate) async fn sign(
        &self,
        data: Vec<u8>,
        hash: Option<RsaHash>,
    ) -> Result<Option<Vec<u8>>, OpenError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Question::Sign { data, hash, answer }, answered).await
    }

    async fn ask<A>(
        &self,
        question: Question,
        answered: oneshot::Receiver<A>,
    ) -> Result<A, OpenError> {
        let unanswered = || OpenError::new(ErrorCode::Timeout, "nobody answered in time");
        let asked = async {
            self.to.send(question).await.ok()?;
            answered.await.ok()
        };
        timeout(self.patience, asked).await.ok().flatten().ok_or_else(unanswered)
    }
}
