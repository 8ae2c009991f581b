//! Channels over a PatchMon agent's JSON vocabulary (1.4 and 2.x).
//!
//! Such an agent has one way to a terminal, SSH that it dials itself, and no windows: input is
//! granted again as soon as it is written, and the link waits for slow viewers (see [`super`]).

use std::collections::HashMap;

use bytes::Bytes;
use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::id::ChannelId;
use gangplank_proto::job::{Command, Progress};
use gangplank_proto::limit;
use gangplank_proto::link::{Exit, FromTerminal, Open, ToTerminal};
use gangplank_proto::patchmon::{FromPatchmon, ToPatchmon};
use gangplank_proto::utf8::Utf8Stream;
use gangplank_terminal::queue::Item;

use super::LegacyKey;
use super::pump::Heard;
use crate::message;
use crate::store::JobReply;

/// Input bytes of one message: escaping makes at most six characters of each, and the message must
/// stay below [`limit::PATCHMON_AGENT_MESSAGE`].
const PIECE: usize = 8 << 10;

/// Both directions' state.
#[derive(Debug, Default)]
pub(super) struct Codec {
    sessions: HashMap<String, ChannelId>,
    channels: HashMap<ChannelId, Session>,
}

#[derive(Debug)]
struct Session {
    id: String,
    input: Utf8Stream,
}

/// What one item comes to: messages to the agent, words back to the viewer.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) messages: Vec<String>,
    pub(super) back: Vec<FromTerminal>,
}

impl Said {
    fn message(&mut self, message: &ToPatchmon) {
        // Strings, numbers and nothing else: there is no value that can't be written.
        self.messages.extend(serde_json::to_string(message));
    }

    fn refuse(code: ErrorCode, message: &str) -> Self {
        let error = FromTerminal::Error(OpenError::new(code, message));
        Self { messages: Vec::new(), back: vec![error] }
    }
}

/// The greeting of a 1.4 server, which newer agents ignore.
pub(super) fn greeting() -> Option<String> {
    serde_json::to_string(&ToPatchmon::Connected).ok()
}

impl Codec {
    /// Reads one message of the agent. What isn't understood is ignored, as PatchMon does.
    pub(super) fn hear(&mut self, text: &str) -> Heard {
        let Ok(message) = message::parse::<FromPatchmon>(text.as_bytes()) else {
            return Heard::Nothing;
        };
        match message {
            FromPatchmon::SshProxyConnected { session_id } => self.connected(&session_id),
            FromPatchmon::SshProxyData { session_id, data } => match self.sessions.get(&session_id)
            {
                Some(channel) => Heard::Item(*channel, Item::Data(Bytes::from(data))),
                None => Heard::Nothing,
            },
            FromPatchmon::SshProxyError { session_id, message } => {
                let error = OpenError::new(code(&message), message);
                self.end(&session_id, FromTerminal::Error(error))
            }
            FromPatchmon::SshProxyClosed { session_id } => {
                self.end(&session_id, FromTerminal::Close(Exit::default()))
            }
            FromPatchmon::ComplianceScanProgress { phase, message, progress } => {
                // What is no number of percent saturates.
                let percent = Some((progress as u8).min(100));
                let progress = Progress { percent, phase: Some(phase), message: Some(message) };
                Heard::Note(JobReply::Advanced { command: Command::ComplianceScan, progress })
            }
            FromPatchmon::DockerStatus(change) => Heard::Container(change),
            FromPatchmon::Other => Heard::Nothing,
        }
    }

    fn connected(&self, session_id: &str) -> Heard {
        let Some(channel) = self.sessions.get(session_id) else { return Heard::Nothing };
        let window = limit::TERMINAL_WINDOW;
        let word =
            FromTerminal::Connected { offset: 0, end: 0, input_offset: 0, window, host_key: None };
        Heard::Item(*channel, Item::Word(word))
    }

    fn end(&mut self, session_id: &str, word: FromTerminal) -> Heard {
        let Some(channel) = self.sessions.remove(session_id) else { return Heard::Nothing };
        self.channels.remove(&channel);
        Heard::Item(channel, Item::Word(word))
    }

    /// The messages for one item; `key` gives the private key that belongs to the channel.
    pub(super) fn say(
        &mut self,
        channel: ChannelId,
        item: Item<ToTerminal>,
        key: impl FnOnce() -> Option<LegacyKey>,
    ) -> Said {
        match item {
            Item::Word(ToTerminal::Connect { session_id, open, .. }) => {
                let id = session_id.uuid().simple().to_string();
                self.connect(channel, id, open, key())
            }
            // Such an agent keeps nothing for a viewer that may come back.
            Item::Word(ToTerminal::Close | ToTerminal::Detach) => self.disconnect(channel),
            Item::Word(ToTerminal::Probe { id }) => {
                let back = vec![FromTerminal::Probe { id, host_us: None }];
                Said { messages: Vec::new(), back }
            }
            Item::Word(ToTerminal::Resize(size)) => {
                let mut said = Said::default();
                if let Some(session) = self.channels.get(&channel) {
                    let session_id = session.id.clone();
                    let (cols, rows) = (size.cols(), size.rows());
                    said.message(&ToPatchmon::SshProxyResize { session_id, cols, rows });
                }
                said
            }
            Item::Data(data) => self.input(channel, &data),
            Item::Word(_) => Said::default(),
        }
    }

    fn connect(
        &mut self,
        channel: ChannelId,
        session_id: String,
        open: Open,
        key: Option<LegacyKey>,
    ) -> Said {
        let Open::Ssh { host, port, username, credential, pty, .. } = open else {
            let message = "this agent can open SSH only; use proxy mode";
            return Said::refuse(ErrorCode::NotAllowed, message);
        };
        let (private_key, passphrase) = match key {
            Some(key) => (Some(key.private_key), key.passphrase),
            None => (None, None),
        };
        let mut said = Said::default();
        said.message(&ToPatchmon::SshProxy {
            session_id: session_id.clone(),
            host,
            port,
            username,
            terminal: pty.term,
            cols: pty.size.cols(),
            rows: pty.size.rows(),
            password: credential.password,
            private_key,
            passphrase,
        });
        if said.messages.iter().any(|text| text.len() >= limit::PATCHMON_AGENT_MESSAGE) {
            return Said::refuse(ErrorCode::BadRequest, "the key is too long for this agent");
        }
        self.sessions.insert(session_id.clone(), channel);
        let session = Session { id: session_id, input: Utf8Stream::default() };
        self.channels.insert(channel, session);
        said
    }

    fn input(&mut self, channel: ChannelId, data: &[u8]) -> Said {
        let mut said = Said::default();
        let Some(session) = self.channels.get_mut(&channel) else { return said };
        for piece in data.chunks(PIECE) {
            let text = session.input.push(piece);
            if !text.is_empty() {
                let session_id = session.id.clone();
                said.message(&ToPatchmon::SshProxyInput { session_id, data: text });
            }
        }
        let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
        said.back.push(FromTerminal::WindowAdjust { bytes });
        said
    }

    fn disconnect(&mut self, channel: ChannelId) -> Said {
        let mut said = Said::default();
        if let Some(session) = self.channels.remove(&channel) {
            self.sessions.remove(&session.id);
            said.message(&ToPatchmon::SshProxyDisconnect { session_id: session.id });
            said.back.push(FromTerminal::Close(Exit::default()));
        }
        said
    }
}

/// PatchMon's agents say only free text; this is what their Go libraries put into it.
fn code(message: &str) -> ErrorCode {
    let message = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["unable to authenticate", "authentication", "permission denied"]) {
        ErrorCode::AuthFailed
    } else if says(&["timeout", "timed out"]) {
        ErrorCode::Timeout
    } else if says(&["not enabled", "disabled", "ssh-proxy-enabled"]) {
        ErrorCode::NotAllowed
    } else if says(&["invalid", "parse"]) {
        ErrorCode::BadRequest
    } else {
        ErrorCode::Unreachable
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use gangplank_proto::id::SessionId;
    use gangplank_proto::link::{Credential, Keep, PtyRequest, Size, Trust};

    use super::*;

    fn connect(codec: &mut Codec) -> String {
        let open = Open::Ssh {
            host: "localhost".to_owned(),
            port: 22,
            addresses: None,
            username: "root".to_owned(),
            trust: Trust::default(),
            credential: Credential::default(),
            pty: PtyRequest { term: "xterm".to_owned(), size: Size::DEFAULT },
        };
        let session_id = SessionId::new();
        let word = ToTerminal::Connect { session_id, window: 1, open, keep: Keep::default() };
        let said = codec.say(ChannelId(1), Item::Word(word), || None);
        assert_eq!(said.messages.len(), 1);
        session_id.uuid().simple().to_string()
    }

    #[test]
    fn input_of_any_size_stays_within_the_agent_s_limit() {
        let mut codec = Codec::default();
        connect(&mut codec);
        let said = codec.say(ChannelId(1), Item::Data(Bytes::from(vec![1; 100_000])), || None);
        assert!(said.messages.iter().all(|m| m.len() < limit::PATCHMON_AGENT_MESSAGE));
        assert!(said.messages.len() > 1);
        assert!(matches!(said.back[..], [FromTerminal::WindowAdjust { bytes: 100_000 }]));
    }

    #[test]
    fn another_agent_s_session_is_not_heard() {
        let mut codec = Codec::default();
        let id = connect(&mut codec);
        let stranger = r#"{"type":"ssh_proxy_data","session_id":"00","data":"x"}"#;
        assert!(matches!(codec.hear(stranger), Heard::Nothing));
        let ours = format!(r#"{{"type":"ssh_proxy_data","session_id":"{id}","data":"x"}}"#);
        assert!(matches!(codec.hear(&ours), Heard::Item(ChannelId(1), Item::Data(_))));
        let closed = format!(r#"{{"type":"ssh_proxy_closed","session_id":"{id}"}}"#);
        assert!(matches!(codec.hear(&closed), Heard::Item(ChannelId(1), Item::Word(_))));
        assert!(matches!(codec.hear(&ours), Heard::Nothing), "a closed session is forgotten");
    }
}
