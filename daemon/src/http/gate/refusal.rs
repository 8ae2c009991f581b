//! What failed proofs are answered with.

use http::StatusCode;

use crate::auth::AuthError;
use crate::http::error::Refusal;
use crate::ticket::TicketError;

/// What an unusable ticket is answered with.
pub(in crate::http) fn ticket_refusal(error: TicketError) -> Refusal {
    match error {
        TicketError::Unusable | TicketError::WrongTarget => Refusal::unauthenticated(),
        TicketError::Store(error) => error.into(),
        TicketError::Random(error) => {
            tracing::error!(%error, "no randomness");
            Refusal::internal()
        }
    }
}

/// What a failed proof of identity is answered with.
pub(in crate::http) fn auth_refusal(error: AuthError) -> Refusal {
    match error {
        AuthError::Invalid => Refusal::unauthenticated(),
        AuthError::Network => Refusal::new(
            StatusCode::FORBIDDEN,
            "network_not_allowed",
            "this key may not be used from this address",
        ),
        AuthError::Throttled { retry_after } => {
            Refusal::too_many("too many attempts", retry_after.as_secs())
        }
        AuthError::CodeNeeded => {
            Refusal::new(StatusCode::UNAUTHORIZED, "totp_required", error.to_string())
        }
        AuthError::CodeWrong => {
            Refusal::new(StatusCode::UNAUTHORIZED, "totp_invalid", error.to_string())
        }
        AuthError::PasskeyNeeded => {
            Refusal::new(StatusCode::UNAUTHORIZED, "passkey_required", error.to_string())
        }
        AuthError::PasskeyRefused => {
            Refusal::new(StatusCode::BAD_REQUEST, "passkey_refused", error.to_string())
        }
        AuthError::FactorLacking => {
            Refusal::new(StatusCode::FORBIDDEN, "lacks_second_factor", error.to_string())
        }
        AuthError::EnrolmentNeeded => Refusal::enrolment(),
        AuthError::Password(error) => Refusal::bad_request(error.to_string()),
        AuthError::Store(error) => error.into(),
        AuthError::Random(_) | AuthError::Vault(_) => {
            tracing::error!(%error, "a credential can't be made or read");
            Refusal::internal()
        }
    }
}
