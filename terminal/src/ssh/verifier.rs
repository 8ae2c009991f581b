//! What russh asks and tells during a connection: whether the server's key is to be trusted, what
//! arrived, and why it ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gangplank_proto::error::{ErrorCode, HostKey, OpenError};
use gangplank_proto::link::Trust;
use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::{Algorithm, PublicKeyOrCertificate};
use russh::{Channel, ChannelId};

use super::gate::Gate;
use super::{REASON_CHARS, host_key, shown};

/// What was found out, for those who don't run inside russh's task.
#[derive(Debug, Default)]
pub(super) struct Notes {
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    host_key: Option<HostKey>,
    refusal: Option<OpenError>,
    goodbye: Option<String>,
}

impl Notes {
    /// Only whole values are put in, so a poisoned note is whole.
    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that was trusted.
    pub(super) fn host_key(&self) -> Option<HostKey> {
        self.found().host_key.clone()
    }

    /// Why the key was not trusted.
    pub(super) fn take_refusal(&self) -> Option<OpenError> {
        self.found().refusal.take()
    }

    /// Why the connection ended.
    pub(super) fn take_goodbye(&self) -> Option<String> {
        self.found().goodbye.take()
    }
}

/// Judges the server's key before anything else happens, and refuses whatever the server asks.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Trust,
    /// Of the key that was taken at first.
    algorithm: Option<Algorithm>,
    gate: Arc<Gate>,
    notes: Arc<Notes>,
}

impl Verifier {
    pub(super) fn new(trust: Trust, gate: Arc<Gate>, notes: Arc<Notes>) -> Self {
        Self { trust, algorithm: None, gate, notes }
    }
}

impl Handler for Verifier {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        // Certificates are not offered; a server that shows one all the same is not known by it.
        let judged = match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => host_key::judge(&self.trust, key),
            PublicKeyOrCertificate::Certificate(_) => {
                let message = "the server shows a certificate instead of its key";
                Err(OpenError::new(ErrorCode::HostKeyChanged, message))
            }
        };
        let mut notes = self.notes.found();
        match judged {
            Ok(host_key) => {
                notes.host_key = Some(host_key);
                Ok(true)
            }
            Err(error) => {
                notes.refusal = Some(error);
                Ok(false)
            }
        }
    }

    /// russh judges the key of the first exchange only. A later exchange happens inside the channel
    /// that the first one authenticated; of its key only the type is known here.
    async fn kex_done(
        &mut self,
        _: Option<&[u8]>,
        names: &russh::Names,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        match &self.algorithm {
            None => self.algorithm = Some(names.key.clone()),
            Some(first) if *first == names.key => {}
            Some(_) => return Err(russh::Error::UnknownKey),
        }
        Ok(())
    }

    async fn data(
        &mut self,
        _: ChannelId,
        data: &[u8],
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.gate.arrived(data.len());
        Ok(())
    }

    async fn extended_data(
        &mut self,
        _: ChannelId,
        _: u32,
        data: &[u8],
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.gate.arrived(data.len());
        Ok(())
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<russh::Error>,
    ) -> Result<(), russh::Error> {
        let goodbye = match reason {
            DisconnectReason::ReceivedDisconnect(said) => shown(&said.message, REASON_CHARS),
            DisconnectReason::Error(russh::Error::UnknownKey) => {
                "the server's host key changed".to_owned()
            }
            DisconnectReason::Error(error) => shown(&error.to_string(), REASON_CHARS),
        };
        self.notes.found().goodbye = Some(goodbye);
        Ok(())
    }

    // Dropping the reply of a channel that the server opens refuses it. We asked for none.

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }
}
