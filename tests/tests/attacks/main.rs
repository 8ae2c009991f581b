//! Attacks on the daemon, each with a control group that must notice nothing. Which case is tested
//! where is in docs/security-tests.md.

mod authentication;
mod browser;
mod credentials;
mod egress;
mod flood;
mod frames;
mod http;
mod malice;
mod payloads;
mod sockets;
mod table;
mod terminal;
mod timing;
mod tls;

use std::sync::LazyLock;

use gangplank_tests::rig::Rig;
use tokio::sync::Mutex;

/// One attack at a time, so that each has its own control group.
static TURN: Mutex<()> = Mutex::const_new(());

static RIG: LazyLock<Rig> = LazyLock::new(|| {
    Rig::with(&[
        ("limits.establish", "3s"),
        ("limits.anonymous_sockets_per_ip", "1000"),
        ("limits.channel_write", "5s"),
        ("webhooks.attempts", "1"),
    ])
});
