//! PatchMon's vocabulary on the agent socket: JSON text messages told apart by `type`. Only the
//! words that Gangplank acts on are listed; an agent ignores what it doesn't know, and so do we.

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// A message to a PatchMon agent. It must stay below
/// [`crate::limit::PATCHMON_AGENT_MESSAGE`] bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToPatchmon {
    /// Greeting of the 1.4 server; newer agents ignore it.
    Connected,
    /// Open SSH from the agent.
    SshProxy {
        /// 32 hex digits, made by the server.
        session_id: String,
        /// Target as the agent sees it.
        host: String,
        /// Its port.
        port: u16,
        /// Login name.
        username: String,
        /// `TERM`.
        terminal: String,
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
        /// Password.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<Secret>,
        /// Private key in PEM form.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        private_key: Option<Secret>,
        /// Its passphrase.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passphrase: Option<Secret>,
    },
    /// Keys.
    SshProxyInput {
        /// Which session.
        session_id: String,
        /// The keys.
        data: String,
    },
    /// The window's size changed.
    SshProxyResize {
        /// Which session.
        session_id: String,
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// End the session.
    SshProxyDisconnect {
        /// Which session.
        session_id: String,
    },
}

/// A message from a PatchMon agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromPatchmon {
    /// The shell is up.
    SshProxyConnected {
        /// Which session.
        #[serde(default)]
        session_id: String,
    },
    /// Output.
    SshProxyData {
        /// Which session.
        #[serde(default)]
        session_id: String,
        /// The text.
        #[serde(default)]
        data: String,
    },
    /// The session could not be opened.
    SshProxyError {
        /// Which session.
        #[serde(default)]
        session_id: String,
        /// For people.
        #[serde(default)]
        message: String,
    },
    /// The shell ended.
    SshProxyClosed {
        /// Which session.
        #[serde(default)]
        session_id: String,
    },
    /// Anything else.
    #[serde(other)]
    Other,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn unknown_words_are_tolerated() {
        let word = r#"{"type":"docker_status","event":{},"name":"x"}"#;
        assert!(matches!(serde_json::from_str(word).unwrap(), FromPatchmon::Other));
    }

    #[test]
    fn words_have_patchmon_s_names() {
        let word = ToPatchmon::SshProxyResize { session_id: "a".to_owned(), cols: 80, rows: 24 };
        assert_eq!(
            serde_json::to_string(&word).unwrap(),
            r#"{"type":"ssh_proxy_resize","session_id":"a","cols":80,"rows":24}"#
        );
    }
}
