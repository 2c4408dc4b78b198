//! How many looks there are at once, and how soon after each other.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// Looks of this process under way at once; each is a socket.
const MOST_AT_ONCE: usize = 512;
/// Between two looks of this process at pods for which somebody waits: an eighth of a core at most.
const HURRIED: Duration = Duration::from_micros(500);
/// The same where nobody waits.
const UNHURRIED: Duration = Duration::from_millis(10);

/// What every look of this process passes.
#[derive(Debug)]
pub(super) struct Turnstile {
    sockets: Semaphore,
    hurried: Mutex<Option<Instant>>,
    unhurried: Mutex<Option<Instant>>,
}

impl Turnstile {
    pub(super) fn new() -> Self {
        Self {
            sockets: Semaphore::new(MOST_AT_ONCE),
            hurried: Mutex::default(),
            unhurried: Mutex::default(),
        }
    }

    /// Waits until it is this look's turn: one after another, those for whom nobody waits in a line of
    /// their own. The look is under way until the permit is dropped.
    pub(super) async fn pass(&self, hurried: bool) -> SemaphorePermit<'_> {
        let (line, each) = if hurried {
            (&self.hurried, HURRIED)
        } else {
            (&self.unhurried, UNHURRIED)
        };
        let now = Instant::now();
        let turn = {
            let mut next = line.lock();
            let turn = next.map_or(now, |next| next.max(now));
            *next = Some(turn + each);
            turn
        };
        if turn > now {
            sleep_until(turn).await;
        }
        let socket = self.sockets.acquire().await;
        socket.expect("it is never closed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_looks_take_turns() {
        let turnstile = Turnstile::new();
        let began = Instant::now();
        for _ in 0..=100 {
            drop(turnstile.pass(true).await);
        }
        let took = began.elapsed();
        assert!(took >= 100 * HURRIED && took < 210 * HURRIED, "{took:?}");
        drop(turnstile.pass(false).await);
        assert_eq!(began.elapsed(), took);
    }
}
