//! The words between a daemon and a keeper of terminals: in an agent's link as JSON text, in one
//! process as these very types. Terminal bytes are not among them: they travel as [`crate::frame`].

mod open;

use std::fmt;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::docker::DockerStatus;
use crate::error::{HostKey, OpenError};
use crate::fact::{FactText, Hello};
use crate::id::{ChannelId, SessionId};
use crate::job::{FromJob, ToJob};
use crate::secret::Secret;
use crate::settings::Settings;

pub use open::{Credential, Keep, Open, Prompt, PtyRequest, Size, SizeError, Trust};

/// WebSocket subprotocol (RFC 6455 §1.9) of an agent's link.
pub const SUBPROTOCOL: &str = "gangplank.agent.v1";

/// Why a text message of a link can't be used.
#[derive(Debug, thiserror::Error)]
#[error("not a message of {SUBPROTOCOL}: {0}")]
pub struct WordError(#[from] serde_json::Error);

/// Why and how a channel ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit status of the shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<u32>,
    /// Signal that ended the shell, without `SIG` (RFC 4254 §6.10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// For people, when the end wasn't the shell's own: lost connection, life over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Exit {
    /// An end that was not the shell's own.
    #[must_use]
    pub fn because(reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..Self::default() }
    }
}

/// What a terminal says, beside its output.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromTerminal {
    /// It is open, or shown again.
    Connected {
        /// Output offset from where data follows. Beyond what an attaching viewer asked for, what
        /// lies between is gone.
        offset: u64,
        /// End of the output at this moment: what lies before it is a replay.
        #[serde(default)]
        end: u64,
        /// Input that it has, in bytes.
        input_offset: u64,
        /// Input window, in bytes.
        window: u32,
        /// The server's key, for SSH.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host_key: Option<HostKey>,
    },
    /// It can't be opened; the channel is gone.
    Error(OpenError),
    /// The server asks the person; answered by [`ToTerminal::Answers`].
    Prompt {
        /// Heading, may be empty.
        #[serde(default)]
        name: String,
        /// Explanation, may be empty.
        #[serde(default)]
        instructions: String,
        /// The questions, possibly none.
        prompts: Vec<Prompt>,
    },
    /// The SSH client needs a signature by the person's key; answered by [`ToTerminal::Signature`].
    SignRequest {
        /// What to sign: the data of RFC 4252 §7.
        data: Base64,
        /// `sha256` or `sha512` for RSA keys (RFC 8332), else absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hash: Option<RsaHash>,
    },
    /// More input may come.
    WindowAdjust {
        /// Bytes more.
        bytes: u32,
    },
    /// No more output follows.
    Eof,
    /// Answer to [`ToTerminal::Probe`].
    Probe {
        /// The probe's own.
        id: u64,
        /// Microseconds from the last short input to the output after it; absent before the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host_us: Option<u64>,
    },
    /// Another viewer shows the terminal from now on; the channel is gone.
    Detached,
    /// The terminal ended; the channel is gone. It is kept until a viewer says
    /// [`ToTerminal::Close`], so that nobody misses its last output.
    Close(Exit),
}

impl FromTerminal {
    /// Whether nothing follows it in its channel.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Close(_) | Self::Error(_) | Self::Detached)
    }

    /// Cuts the texts that are kept or logged to what a person reads; they come from a host.
    fn bounded(mut self) -> Self {
        let cut = |text: &mut String| *text = FactText::from(std::mem::take(text)).into();
        match &mut self {
            Self::Error(error) => {
                cut(&mut error.message);
                error.host_key.iter_mut().for_each(|key| {
                    cut(&mut key.key_type);
                    cut(&mut key.fingerprint);
                });
            }
            Self::Close(exit) => {
                exit.reason.iter_mut().for_each(cut);
                exit.signal.iter_mut().for_each(cut);
            }
            _ => {}
        }
        self
    }
}

/// What a viewer says to a terminal, beside its input.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToTerminal {
    /// Open it. The first word of a channel to a new terminal.
    Connect {
        /// The session that the terminal belongs to.
        session_id: SessionId,
        /// Output window, in bytes.
        window: u32,
        /// What to open.
        open: Open,
        /// How to keep it while nobody shows it.
        #[serde(default)]
        keep: Keep,
    },
    /// Show a terminal that is kept. The first word of a channel to it; whoever shows it now is
    /// [`FromTerminal::Detached`].
    Attach {
        /// The session that the terminal belongs to.
        session_id: SessionId,
        /// Output window, in bytes.
        window: u32,
        /// Bytes of output that the viewer has.
        offset: u64,
        /// Of those, how many at the end it has not shown: they are still to be acknowledged, and
        /// the window is said without them.
        #[serde(default)]
        unseen: u32,
        /// The viewer's size; as it was when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<Size>,
        /// How to keep it from now on.
        #[serde(default)]
        keep: Keep,
    },
    /// Answers to a prompt, in its order.
    Answers {
        /// One for each question.
        answers: Vec<Secret>,
    },
    /// Answer to a sign request.
    Signature {
        /// The SSH signature blob (RFC 4253 §6.6), or nothing when it is refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<Base64>,
    },
    /// The window's size changed (RFC 4254 §6.7).
    Resize(Size),
    /// More output may come.
    WindowAdjust {
        /// Bytes more.
        bytes: u32,
    },
    /// No more input follows.
    Eof,
    /// Measure the way: answered at once by [`FromTerminal::Probe`].
    Probe {
        /// Comes back in the answer.
        id: u64,
    },
    /// The viewer leaves; the terminal is kept.
    Detach,
    /// End it.
    Close,
}

/// Hash of an RSA signature (RFC 8332).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RsaHash {
    /// `rsa-sha2-256`
    Sha256,
    /// `rsa-sha2-512`
    Sha512,
}

/// Bytes that travel in JSON as base64.
#[derive(Clone, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl fmt::Debug for Base64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base64({} bytes)", self.0.len())
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine as _;
        let text = String::deserialize(deserializer)?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(text);
        bytes.map(Self).map_err(serde::de::Error::custom)
    }
}

/// A text message from an agent.
#[derive(Debug, Clone)]
pub enum FromAgent {
    /// The first message.
    Hello(Box<Hello>),
    /// A terminal's word, in its channel.
    Channel(ChannelId, FromTerminal),
    /// A word about a job.
    Job(FromJob),
    /// A container changed.
    Docker(Box<DockerStatus>),
}

/// A text message to an agent.
#[derive(Debug, Clone)]
pub enum ToAgent {
    /// The daemon took the credentials, and says what this agent is set to.
    Welcome(Settings),
    /// A word to a terminal, in its channel.
    Channel(ChannelId, ToTerminal),
    /// A word about a job.
    Job(ToJob),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum AgentWord {
    Hello(Box<Hello>),
    DockerStatus(Box<DockerStatus>),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum WelcomeWord {
    #[serde(rename = "connected")]
    Welcome {
        #[serde(default)]
        settings: Settings,
    },
}

/// Tells the kinds of message apart: a word about a channel or a job names it.
#[derive(Deserialize)]
struct Address {
    #[serde(default)]
    channel: Option<ChannelId>,
    #[serde(default)]
    job_id: Option<IgnoredAny>,
}

/// What a message is about.
enum About {
    Channel(ChannelId),
    Job,
    Link,
}

impl Address {
    fn of(text: &str) -> Result<About, WordError> {
        let address: Self = serde_json::from_str(text)?;
        Ok(match address {
            Self { channel: Some(channel), .. } => About::Channel(channel),
            Self { job_id: Some(_), .. } => About::Job,
            _ => About::Link,
        })
    }
}

#[derive(Serialize)]
struct Addressed<'a, W> {
    channel: ChannelId,
    #[serde(flatten)]
    word: &'a W,
}

impl FromAgent {
    /// Reads one text message. Of a hello's sessions the first `sessions` are kept.
    ///
    /// # Errors
    /// [`WordError`] when it is not JSON, of an unknown type, or a field is missing or wrong.
    pub fn parse(text: &str, sessions: usize) -> Result<Self, WordError> {
        match Address::of(text)? {
            About::Channel(channel) => {
                let word: FromTerminal = serde_json::from_str(text)?;
                Ok(Self::Channel(channel, word.bounded()))
            }
            About::Job => Ok(Self::Job(serde_json::from_str(text)?)),
            About::Link => Ok(match serde_json::from_str(text)? {
                AgentWord::Hello(hello) => Self::Hello(Box::new(hello.bounded(sessions))),
                AgentWord::DockerStatus(change) => Self::Docker(change),
            }),
        }
    }

    /// The message as text.
    ///
    /// # Errors
    /// Never for values that came out of [`Self::parse`].
    pub fn to_text(&self) -> Result<String, WordError> {
        Ok(match self {
            Self::Hello(hello) => serde_json::to_string(&AgentWord::Hello(hello.clone()))?,
            Self::Docker(change) => {
                serde_json::to_string(&AgentWord::DockerStatus(change.clone()))?
            }
            Self::Channel(channel, word) => {
                serde_json::to_string(&Addressed { channel: *channel, word })?
            }
            Self::Job(word) => serde_json::to_string(word)?,
        })
    }
}

impl ToAgent {
    /// Reads one text message.
    ///
    /// # Errors
    /// [`WordError`] when it is not JSON, of an unknown type, or a field is missing or wrong.
    pub fn parse(text: &str) -> Result<Self, WordError> {
        match Address::of(text)? {
            About::Channel(channel) => Ok(Self::Channel(channel, serde_json::from_str(text)?)),
            About::Job => Ok(Self::Job(serde_json::from_str(text)?)),
            About::Link => {
                let WelcomeWord::Welcome { settings } = serde_json::from_str(text)?;
                Ok(Self::Welcome(settings))
            }
        }
    }

    /// The message as text.
    ///
    /// # Errors
    /// Never for values that came out of [`Self::parse`].
    pub fn to_text(&self) -> Result<String, WordError> {
        Ok(match self {
            Self::Welcome(settings) => {
                serde_json::to_string(&WelcomeWord::Welcome { settings: *settings })?
            }
            Self::Channel(channel, word) => {
                serde_json::to_string(&Addressed { channel: *channel, word })?
            }
            Self::Job(word) => serde_json::to_string(word)?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn words_are_addressed_to_their_channel() {
        let text = r#"{"type":"connect","channel":7,"session_id":"018f0000-0000-7000-8000-000000000000",
            "window":262144,"open":{"kind":"pty","pty":{"term":"xterm","cols":80,"rows":24}}}"#;
        let ToAgent::Channel(ChannelId(7), ToTerminal::Connect { window, open, .. }) =
            ToAgent::parse(text).unwrap()
        else {
            unreachable!("not a connect");
        };
        assert_eq!(window, 262_144);
        assert!(matches!(open, Open::Pty { username: None, .. }));
        let word = FromAgent::Channel(ChannelId(1), FromTerminal::Close(Exit::default()));
        assert_eq!(word.to_text().unwrap(), r#"{"channel":1,"type":"close"}"#);
        assert_eq!(
            ToAgent::Channel(ChannelId(2), ToTerminal::Resize(Size::DEFAULT)).to_text().unwrap(),
            r#"{"channel":2,"type":"resize","cols":80,"rows":24}"#
        );
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for (cols, rows) in [(0, 24), (80, 0), (-1, 5), (1_000_000_000, 5), (4097, 24)] {
            assert!(Size::new(cols, rows).is_err());
            let text = format!(r#"{{"type":"resize","channel":1,"cols":{cols},"rows":{rows}}}"#);
            let error = ToAgent::parse(&text).unwrap_err().to_string();
            assert!(error.contains("1 to 4096"), "{error}");
        }
    }

    #[test]
    fn hello_is_bounded_and_tolerates_what_it_does_not_know() {
        let keys = vec!["ssh-ed25519 AAAA"; 500];
        let text = serde_json::json!({
            "type": "hello", "future": true, "host_keys": keys, "host": {"hostname": "a\u{1b}b"}
        });
        let FromAgent::Hello(hello) = FromAgent::parse(&text.to_string(), 9).unwrap() else {
            unreachable!("not a hello");
        };
        assert_eq!(hello.host_keys.len(), 64);
        assert_eq!(hello.host.hostname.as_str(), "a\u{fffd}b");
    }

    #[test]
    fn debug_shows_no_secret() {
        let credential =
            Credential { password: Some("hunter2".to_owned().into()), ..Credential::default() };
        assert!(!format!("{credential:?}").contains("hunter2"));
    }
}
