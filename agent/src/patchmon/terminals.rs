//! SSH through this host in PatchMon's words. Such a server knows no windows: input waits here until
//! the terminal takes it, output is granted again once it is written.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use gangplank_proto::id::{ChannelId, SessionId};
use gangplank_proto::limit;
use gangplank_proto::link::{
    Base64, Credential, FromTerminal, Keep, Open, PtyRequest, Size, ToTerminal, Trust,
};
use gangplank_proto::patchmon::ToPatchmon;
use gangplank_proto::secret::Secret;
use gangplank_proto::utf8::Utf8Stream;
use gangplank_terminal::link::{Broken, Channels};
use gangplank_terminal::queue::{Item, Outlet};
use gangplank_terminal::ssh::key::UserKey;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Bytes;

use crate::facts::sshd;

/// Input that waits for one terminal; more than that ends it.
const WAITING: usize = 1 << 20;

/// Signatures that are made for one login, as many as a client has reason to ask for.
const SIGNATURES: u32 = 8;

/// Signatures that wait to be given.
const SIGNED: usize = 16;

/// The terminals of one link.
#[derive(Debug)]
pub(super) struct Terminals {
    channels: Channels,
    output: Outlet<FromTerminal>,
    sessions: HashMap<String, ChannelId>,
    open: HashMap<ChannelId, Session>,
    /// Where this host's sshd has its keys.
    ssh_dir: PathBuf,
    last: u32,
    sign: mpsc::Sender<(ChannelId, Option<Base64>)>,
    signed: mpsc::Receiver<(ChannelId, Option<Base64>)>,
}

#[derive(Debug)]
struct Session {
    id: String,
    username: String,
    key: Option<Arc<UserKey>>,
    signatures: u32,
    /// Input that the terminal takes.
    window: usize,
    input: Vec<u8>,
    output: Utf8Stream,
}

/// Something that a terminal wants.
pub(super) enum Wish {
    Output(ChannelId, Item<FromTerminal>),
    Signed(ChannelId, Option<Base64>),
}

impl Terminals {
    pub(super) fn new(
        (channels, output): (Channels, Outlet<FromTerminal>),
        ssh_dir: PathBuf,
    ) -> Self {
        let (sign, signed) = mpsc::channel(SIGNED);
        Self {
            channels,
            output,
            sessions: HashMap::new(),
            open: HashMap::new(),
            ssh_dir,
            last: 0,
            sign,
            signed,
        }
    }

    /// The next thing that a terminal wants. Cancel safe.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            Some((channel, item)) = self.output.recv() => Wish::Output(channel, item),
            Some((channel, signature)) = self.signed.recv() => Wish::Signed(channel, signature),
        }
    }

    /// Opens a terminal. What it answers at once is a refusal.
    pub(super) async fn connect(&mut self, asked: Asked) -> Result<Option<Value>, Broken> {
        let id = asked.session_id.clone();
        if id.is_empty() || self.sessions.contains_key(&id) {
            return Ok(None);
        }
        let username = asked.username.clone();
        let (open, key) = match self.prepare(asked).await {
            Ok(prepared) => prepared,
            Err(why) => return Ok(Some(error(&id, &why))),
        };
        self.last = self.last.wrapping_add(1);
        let channel = ChannelId(self.last);
        let session = Session {
            id: id.clone(),
            username,
            key,
            signatures: 0,
            window: 0,
            input: Vec::new(),
            output: Utf8Stream::default(),
        };
        self.sessions.insert(id, channel);
        self.open.insert(channel, session);
        let word = ToTerminal::Connect {
            session_id: SessionId::new(),
            window: limit::TERMINAL_WINDOW,
            open,
            // Nobody comes back for it.
            keep: Keep { life: 0, hold: 0 },
        };
        self.channels.word(channel, word)?;
        Ok(None)
    }

    async fn prepare(&self, asked: Asked) -> Result<(Open, Option<Arc<UserKey>>), String> {
        let Asked {
            host, port, username, terminal, size, password, private_key, passphrase, ..
        } = asked;
        let trust = Trust { keys: self.known(&host, port)?, accepted: None };
        // A passphrase may take seconds to check.
        let key = tokio::task::spawn_blocking(move || {
            private_key.map(|text| UserKey::parse(&text, passphrase.as_ref())).transpose()
        });
        let key = key.await.map_err(|error| error.to_string())?;
        let key = key.map_err(|error| error.to_string())?;
        let public = key.as_ref().map(UserKey::public_line).transpose();
        let public_key = public.map_err(|error| error.to_string())?;
        let credential = Credential { password, public_key, interactive: false };
        let pty = PtyRequest { term: terminal, size };
        let open = Open::Ssh { host, port, addresses: None, username, trust, credential, pty };
        Ok((open, key.map(Arc::new)))
    }

    /// The keys by which a target is known: those of this host's own sshd. For others such a server
    /// has no way to say which key is right.
    fn known(&self, host: &str, port: u16) -> Result<Vec<String>, String> {
        let own = sshd::read(&self.ssh_dir);
        let here = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if here && own.ports.contains(&port) && !own.host_keys.is_empty() {
            return Ok(own.host_keys);
        }
        Err(format!(
            "the SSH host key of {}:{port} is not known to this agent, which opens no terminal \
             without knowing it; through a PatchMon server it reaches this host's own sshd only",
            host.escape_debug()
        ))
    }

    /// Takes keys.
    pub(super) fn input(&mut self, id: &str, data: &str) -> Result<(), Broken> {
        let Some(channel) = self.sessions.get(id).copied() else { return Ok(()) };
        let Some(session) = self.open.get_mut(&channel) else { return Ok(()) };
        if session.input.len() + data.len() > WAITING {
            tracing::warn!("a terminal takes no input and was ended");
            return self.disconnect(id);
        }
        session.input.extend_from_slice(data.as_bytes());
        self.pass(channel)
    }

    /// Gives a terminal the input that it takes.
    fn pass(&mut self, channel: ChannelId) -> Result<(), Broken> {
        let Some(session) = self.open.get_mut(&channel) else { return Ok(()) };
        while session.window > 0 && !session.input.is_empty() {
            let len = session.input.len().min(session.window).min(limit::OUTPUT);
            let piece: Vec<u8> = session.input.drain(..len).collect();
            session.window -= len;
            self.channels.data(channel, Bytes::from(piece))?;
        }
        Ok(())
    }

    pub(super) fn resize(&mut self, id: &str, size: Size) -> Result<(), Broken> {
        match self.sessions.get(id) {
            Some(channel) => self.channels.word(*channel, ToTerminal::Resize(size)),
            None => Ok(()),
        }
    }

    pub(super) fn disconnect(&mut self, id: &str) -> Result<(), Broken> {
        let Some(channel) = self.sessions.remove(id) else { return Ok(()) };
        self.open.remove(&channel);
        self.channels.word(channel, ToTerminal::Close)
    }

    /// Does what a terminal wants; the messages for the server.
    pub(super) fn grant(&mut self, wish: Wish) -> Result<Vec<Value>, Broken> {
        match wish {
            Wish::Signed(channel, signature) => {
                self.channels.word(channel, ToTerminal::Signature { signature })?;
                Ok(Vec::new())
            }
            Wish::Output(channel, item) => {
                if !self.channels.leaves(channel, &item) {
                    return Ok(Vec::new());
                }
                match item {
                    Item::Data(data) => self.output(channel, &data),
                    Item::Word(word) => self.word(channel, word),
                }
            }
        }
    }

    fn output(&mut self, channel: ChannelId, data: &[u8]) -> Result<Vec<Value>, Broken> {
        let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let text = self.open.get_mut(&channel).map(|one| (one.id.clone(), one.output.push(data)));
        self.channels.word(channel, ToTerminal::WindowAdjust { bytes })?;
        let said = text.filter(|(_, text)| !text.is_empty());
        Ok(said.map(|(id, text)| of("ssh_proxy_data", &id, &text)).into_iter().collect())
    }

    fn word(&mut self, channel: ChannelId, word: FromTerminal) -> Result<Vec<Value>, Broken> {
        let Some(session) = self.open.get_mut(&channel) else { return Ok(Vec::new()) };
        let id = session.id.clone();
        match word {
            FromTerminal::Connected { window, .. } => {
                session.window = window as usize;
                self.pass(channel)?;
                Ok(vec![json!({ "type": "ssh_proxy_connected", "session_id": id })])
            }
            FromTerminal::WindowAdjust { bytes } => {
                session.window += bytes as usize;
                self.pass(channel)?;
                Ok(Vec::new())
            }
            FromTerminal::SignRequest { data, .. } => {
                session.signatures += 1;
                let key = session.key.clone().filter(|_| session.signatures <= SIGNATURES);
                let (username, sign) = (session.username.clone(), self.sign.clone());
                // RSA takes milliseconds: not on the async thread.
                tokio::task::spawn_blocking(move || {
                    let signature = key.and_then(|key| key.sign_login(&data.0, &username).ok());
                    // Without the link nobody needs it.
                    let _ = sign.blocking_send((channel, signature.map(Base64)));
                });
                Ok(Vec::new())
            }
            FromTerminal::Error(why) => {
                self.forget(channel);
                Ok(vec![error(&id, &why.message)])
            }
            FromTerminal::Close(_) => {
                let rest = session.output.finish();
                self.forget(channel);
                // It is kept until somebody says to have heard of its end.
                self.channels.word(channel, ToTerminal::Close)?;
                let rest = (!rest.is_empty()).then(|| of("ssh_proxy_data", &id, &rest));
                let closed = json!({ "type": "ssh_proxy_closed", "session_id": id });
                Ok(rest.into_iter().chain([closed]).collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    fn forget(&mut self, channel: ChannelId) {
        if let Some(session) = self.open.remove(&channel) {
            self.sessions.remove(&session.id);
        }
    }
}

/// What a server asks for with `ssh_proxy`.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) session_id: String,
    host: String,
    port: u16,
    username: String,
    terminal: String,
    size: Size,
    password: Option<Secret>,
    private_key: Option<Secret>,
    passphrase: Option<Secret>,
}

impl Asked {
    /// Out of the server's message; none when it is another one.
    pub(super) fn of(message: ToPatchmon) -> Option<Self> {
        let ToPatchmon::SshProxy {
            session_id,
            host,
            port,
            username,
            terminal,
            cols,
            rows,
            password,
            private_key,
            passphrase,
        } = message
        else {
            return None;
        };
        let size = size(cols, rows);
        let some = |secret: Option<Secret>| secret.filter(|secret| !secret.expose().is_empty());
        let (password, private_key) = (some(password), some(private_key));
        let passphrase = some(passphrase);
        Some(Self {
            session_id,
            host,
            port,
            username,
            terminal,
            size,
            password,
            private_key,
            passphrase,
        })
    }
}

/// A size that a terminal can have; what can't be is the usual one.
pub(super) fn size(cols: u16, rows: u16) -> Size {
    Size::new(cols.into(), rows.into()).unwrap_or(Size::DEFAULT)
}

fn of(kind: &str, id: &str, data: &str) -> Value {
    json!({ "type": kind, "session_id": id, "data": data })
}

fn error(id: &str, message: &str) -> Value {
    json!({ "type": "ssh_proxy_error", "session_id": id, "message": message, "data": message })
}
