//! Waiting for the first of several things, each of which is looked at first in its turn, so that
//! none that is always ready keeps another waiting. Nothing is left to chance, unlike with Tokio's
//! `select!`: the same history goes the same way again.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// Whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    next: usize,
}

impl Turns {
    /// What the first of `futures` that is ready comes to. As cancel safe as they are.
    pub(crate) async fn first<T, const N: usize>(
        &mut self,
        mut futures: [Pin<&mut (dyn Future<Output = T> + Send)>; N],
    ) -> T {
        poll_fn(|cx| {
            // At each look, not for each event: one that spins may use up the task's budget, and
            // then whoever comes after it gets nothing.
            self.next = (self.next + 1) % N;
            let (last, first) = futures.split_at_mut(self.next);
            for future in first.iter_mut().chain(last) {
                if let Poll::Ready(value) = future.as_mut().poll(cx) {
                    return Poll::Ready(value);
                }
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn what_is_always_ready_waits_for_its_turn() {
        let mut turns = Turns::default();
        let mut counts = [0, 0];
        for _ in 0..10 {
            let futures: [Pin<&mut (dyn Future<Output = usize> + Send)>; 3] =
                [pin!(ready(0)), pin!(ready(1)), pin!(pending())];
            match turns.first(futures).await {
                0 => counts[0] += 1,
                _ => counts[1] += 1,
            }
        }
        assert!(counts.iter().all(|count| *count >= 3), "{counts:?}");
    }
}
