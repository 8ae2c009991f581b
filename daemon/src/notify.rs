//! Telling the service manager how we are (sd_notify(3)); nothing happens without one.

use sd_notify::NotifyState;
use std::io;
use tokio_util::sync::CancellationToken;

/// All is up: connections are accepted.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
}

/// The configuration is being read again; [`ready`] has to follow, whatever came of it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => complain(&error),
    }
}

/// The end has begun.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// One line for people who ask the service manager.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(&one_line(text))]);
}

/// Pats the watchdog twice in every interval that the service manager asks for (`WatchdogSec=`),
/// until `shutdown`; ends at once where it asks for none. It runs on the runtime that serves, so
/// a runtime that is stuck gets the process restarted.
pub async fn watchdog(shutdown: CancellationToken) {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval(interval / 2);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => tell(&[NotifyState::Watchdog]),
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        complain(&error);
    }
}

fn complain(error: &io::Error) {
    tracing::warn!(%error, "the service manager can't be told");
}

/// A line break would begin another message.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_status_can_not_say_more_than_a_status() {
        assert_eq!(one_line("up\nREADY=1\r\tend"), "up READY=1  end");
    }

    #[tokio::test]
    async fn without_a_service_manager_nothing_happens() {
        ready("up");
        reloading();
        stopping();
        watchdog(CancellationToken::new()).await;
    }
}
