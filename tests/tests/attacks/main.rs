//! Attacks on the daemon, each with a control group that must notice nothing. Which case is tested
//! where is in docs/security-tests.md.

mod authentication;
mod browser;
mod frames;
mod http;
mod table;
mod terminal;
mod tls;

use std::sync::LazyLock;

use gangplank_tests::rig::Rig;
use tokio::sync::Mutex;

/// One attack at a time, so that each has its own control group.
static TURN: Mutex<()> = Mutex::const_new(());

static RIG: LazyLock<Rig> = LazyLock::new(|| {
    Rig::with(&[("limits.establish", "3s"), ("limits.anonymous_sockets_per_ip", "1000")])
});

/// How often something is done, or longer where `GANGPLANK_SOAK_ATTACKS` says so.
fn times(count: usize) -> usize {
    let longer = std::env::var("GANGPLANK_SOAK_ATTACKS").ok().and_then(|text| text.parse().ok());
    count * longer.unwrap_or(1)
}
