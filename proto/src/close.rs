//! WebSocket close codes (RFC 6455 §7.4): the standard's and ours, in one list.

/// Why a socket is closed, as the number that the peer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCode {
    /// 1000: normal end.
    Normal,
    /// 1001: the daemon is stopping; the reason says `retry_in=MILLISECONDS`.
    GoingAway,
    /// 1002: protocol error.
    Protocol,
    /// 1003: binary where text is due.
    Unsupported,
    /// 1007: text that is not UTF-8.
    InvalidData,
    /// 1008: message rate, third bad message, anomaly.
    Policy,
    /// 1009: message larger than 1 MiB.
    TooBig,
    /// 1011: our fault.
    Internal,
    /// 1013: the channel's connection cap is reached.
    TryAgainLater,
    /// 4001: authentication late, failed, logged out, or revoked after the upgrade.
    Unauthenticated,
    /// 4002: idle for too long.
    Idle,
    /// 4003: permission withdrawn.
    Forbidden,
    /// 4008: heartbeat missed.
    HeartbeatMissed,
    /// 4009: replaced by a newer connection of the same agent.
    Replaced,
    /// 4010: the session ended on the host.
    SessionEnded,
}

impl CloseCode {
    /// Every code, for tables and tests.
    pub const ALL: [Self; 15] = [
        Self::Normal,
        Self::GoingAway,
        Self::Protocol,
        Self::Unsupported,
        Self::InvalidData,
        Self::Policy,
        Self::TooBig,
        Self::Internal,
        Self::TryAgainLater,
        Self::Unauthenticated,
        Self::Idle,
        Self::Forbidden,
        Self::HeartbeatMissed,
        Self::Replaced,
        Self::SessionEnded,
    ];

    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::Protocol => 1002,
            Self::Unsupported => 1003,
            Self::InvalidData => 1007,
            Self::Policy => 1008,
            Self::TooBig => 1009,
            Self::Internal => 1011,
            Self::TryAgainLater => 1013,
            Self::Unauthenticated => 4001,
            Self::Idle => 4002,
            Self::Forbidden => 4003,
            Self::HeartbeatMissed => 4008,
            Self::Replaced => 4009,
            Self::SessionEnded => 4010,
        }
    }
}

/// The reason text of [`CloseCode::GoingAway`].
#[must_use]
pub fn retry_in(wait: std::time::Duration) -> String {
    format!("retry_in={}", wait.as_millis())
}

/// Reads the wait out of a [`CloseCode::GoingAway`] reason; more than a minute counts as a minute,
/// so that a hostile or broken server can't send an agent away for good.
#[must_use]
pub fn parse_retry_in(reason: &str) -> Option<std::time::Duration> {
    let millis = reason.strip_prefix("retry_in=")?.parse::<u64>().ok()?;
    Some(std::time::Duration::from_millis(millis.min(60_000)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn numbers_are_distinct() {
        let mut numbers: Vec<u16> = CloseCode::ALL.iter().map(|c| c.number()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), CloseCode::ALL.len());
    }

    #[test]
    fn retry_in_round_trips_and_is_capped() {
        assert_eq!(
            parse_retry_in(&retry_in(Duration::from_millis(2500))),
            Some(Duration::from_millis(2500))
        );
        assert_eq!(parse_retry_in("retry_in=99999999999"), Some(Duration::from_secs(60)));
        assert_eq!(parse_retry_in("bye"), None);
    }
}
