//! What an agent says about its host. Everything here is a claim of a possibly hostile host: it is
//! bounded when it is read, and shown as text only.

use serde::{Deserialize, Serialize};

use crate::id::{JobId, SessionId};
use crate::job::JobState;
use crate::limit;

/// Characters kept of one fact.
const FACT_CHARS: usize = 256;

/// Items kept of one list of facts.
const FACT_ITEMS: usize = 64;

/// A short text from a host: control and direction-changing characters are replaced and what is
/// longer than 256 characters is cut as it is read, so that no fact can disturb a log or a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct FactText(String);

impl FactText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether a character has no place in a short text that people read: it controls a terminal, breaks
/// the line or turns the direction of what stands around it.
#[must_use]
pub fn is_unfit(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl From<String> for FactText {
    fn from(text: String) -> Self {
        let fit = |c| if is_unfit(c) { '\u{fffd}' } else { c };
        let text = text.trim();
        let end = text.char_indices().nth(FACT_CHARS).map_or(text.len(), |(end, _)| end);
        // Trimmed once more, so that what was cut between two words is not cut again when it is
        // read the next time.
        Self(text.get(..end).unwrap_or(text).trim_end().chars().map(fit).collect())
    }
}

impl From<&str> for FactText {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<FactText> for String {
    fn from(text: FactText) -> Self {
        text.0
    }
}

/// Name, system and machine of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostFacts {
    /// Host name as the host has it.
    pub hostname: FactText,
    /// Operating system's name, such as `Debian GNU/Linux`.
    pub os: FactText,
    /// Operating system's version, such as `12`.
    pub os_version: FactText,
    /// Kernel release.
    pub kernel: FactText,
    /// Machine architecture, such as `x86_64`.
    pub arch: FactText,
    /// Version of the agent's program.
    pub agent_version: FactText,
    /// User that the agent runs as.
    pub run_as: FactText,
}

/// What the host's own policy file allows, told so that people are offered only what will work.
/// The agent enforces it; believing it grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyFacts {
    /// Terminal kinds out of `ssh` and `pty`.
    pub terminal: Vec<FactText>,
    /// SSH targets, `host:port`.
    pub targets: Vec<FactText>,
    /// Users for whom a PTY may be opened.
    pub users: Vec<FactText>,
}

/// A terminal that an agent still holds from before this link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldSession {
    /// Which session.
    pub session_id: SessionId,
    /// Bytes of output since it opened.
    pub offset: u64,
    /// Bytes of input that it took since it opened.
    pub input_offset: u64,
    /// Milliseconds since its last output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_ms: Option<u64>,
}

/// A job in an agent's journal whose outcome the daemon has not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldJob {
    /// Which job.
    pub job_id: JobId,
    /// Which attempt at it.
    pub attempt: u32,
    /// How far it got.
    pub state: JobState,
}

/// The first message of an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// Facts about the host.
    pub host: HostFacts,
    /// The host's SSH public keys, one OpenSSH line each, without comments.
    pub host_keys: Vec<String>,
    /// Ports of the host's own sshd, for which those keys answer.
    pub ssh_ports: Vec<u16>,
    /// What the host's policy allows.
    pub policy: PolicyFacts,
    /// Terminals held from before.
    pub sessions: Vec<HeldSession>,
    /// Jobs in the journal.
    pub jobs: Vec<HeldJob>,
}

impl Hello {
    /// Cuts every list to its bound, that of the sessions to `sessions`; the texts bound themselves.
    #[must_use]
    pub fn bounded(mut self, sessions: usize) -> Self {
        self.host_keys.retain(|line| line.len() <= 4096);
        self.host_keys.truncate(FACT_ITEMS);
        self.ssh_ports.truncate(FACT_ITEMS);
        self.policy.terminal.truncate(FACT_ITEMS);
        self.policy.targets.truncate(FACT_ITEMS);
        self.policy.users.truncate(FACT_ITEMS);
        self.sessions.truncate(sessions);
        self.jobs.truncate(limit::JOBS_HELD);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_fact_is_harmless() {
        let text = FactText::from(format!("\u{1b}[31mroot\r\n\u{202e}{}", "x".repeat(10_000)));
        assert_eq!(text.as_str().chars().count(), FACT_CHARS);
        assert!(!text.as_str().chars().any(|c| c.is_control() || c == '\u{202e}'));
    }

    #[test]
    fn a_fact_that_was_cut_is_not_cut_again() {
        let text = FactText::from(format!("{} y", "x".repeat(FACT_CHARS - 1)));
        assert_eq!(FactText::from(text.as_str()), text);
    }
}
