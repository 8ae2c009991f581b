//! Waiting for a condition, with a deadline and a message.

use std::{
    env,
    future::Future,
    thread,
    time::{Duration, Instant},
};

/// How long a condition may take to come true. `GANGPLANK_TEST_PATIENCE` (seconds) replaces the
/// 30 s that are ample on an idle machine.
pub fn patience() -> Duration {
    let seconds = env::var("GANGPLANK_TEST_PATIENCE").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(30))
}

/// Pause between two looks at a condition.
const LOOK: Duration = Duration::from_millis(25);

/// Blocks until `condition` gives a value.
///
/// # Panics
/// When it gave none within [`patience`]; the message says what was waited for.
#[track_caller]
pub fn eventually<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    within(patience(), what, condition)
}

/// Blocks until `condition` gives a value, for at most `limit`.
///
/// # Panics
/// When it gave none in time.
#[track_caller]
pub fn within<T>(limit: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} in vain: {what}");
        thread::sleep(LOOK);
    }
}

/// Asks again and again until the answer is a value.
///
/// # Panics
/// When there was none within `limit`.
pub async fn until<T, F>(limit: Duration, what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let start = Instant::now();
    loop {
        if let Some(value) = ask().await {
            return value;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} in vain: {what}");
        tokio::time::sleep(LOOK).await;
    }
}
