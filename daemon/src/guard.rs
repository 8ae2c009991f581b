//! Limits that protect the daemon from its peers, penalties for those who misbehave, and how logins
//! stand.

mod door;
mod logins;
mod news;
mod pace;
mod penalty;
mod rate;
mod recent;
mod source;
mod standing;
mod watch;

pub use door::{Anonymous, Guard, Sum, UserSocket};
pub use logins::{Caution, LoginView, Visitor};
pub use news::{News, Verdict};
pub use pace::Pace;
pub use penalty::{Misdeed, Step, Treatment};
pub use rate::Rate;
pub(crate) use recent::Recent;
pub use source::Source;
pub use standing::{Change, Reason, Standing, State, Steps};
pub use watch::run;
