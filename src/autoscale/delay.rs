//! The highest number wanted within a stretch of time, so that a lower one is taken only after
//! nothing higher was wanted for so long.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::window::{granules, step};

/// The maximum over the last slots of time. Descending minima: what is lower and older than the
/// newest can never be the maximum again.
#[derive(Clone, Debug)]
pub struct DelayWindow {
    slots: usize,
    granularity: Duration,
    epoch: Instant,
    /// Slot and value; values fall from front to back.
    maxima: VecDeque<(usize, u32)>,
}

impl DelayWindow {
    /// Holds for `delay` in slots of `granularity` that start at `epoch`. Without a delay it holds
    /// nothing: one slot would still take the higher of two wishes made within it.
    #[must_use]
    pub fn new(delay: Duration, granularity: Duration, epoch: Instant) -> Self {
        let mut window = Self {
            slots: 0,
            granularity,
            epoch,
            maxima: VecDeque::new(),
        };
        window.resize(delay);
        window
    }

    /// Changes how long it holds, and keeps what it holds that long.
    pub fn resize(&mut self, delay: Duration) {
        self.slots = if delay.is_zero() {
            0
        } else {
            granules(delay, self.granularity)
        };
    }

    /// When what it holds now is held no longer, should nothing else be wanted; `None` while it
    /// holds nothing.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        let (slot, _) = self.maxima.front()?;
        let end = u32::try_from(slot + self.slots).ok()?;
        Some(self.epoch + self.granularity.saturating_mul(end))
    }

    /// Notes a wish and returns the highest still held, which is never lower than the wish.
    pub fn hold(&mut self, now: Instant, wish: u32) -> u32 {
        if self.slots == 0 {
            self.maxima.clear();
            return wish;
        }
        let elapsed = now.saturating_duration_since(self.epoch).as_nanos();
        let slot = usize::try_from(elapsed / step(self.granularity)).unwrap_or(usize::MAX);
        while self.maxima.back().is_some_and(|&(_, held)| held <= wish) {
            self.maxima.pop_back();
        }
        while self
            .maxima
            .front()
            .is_some_and(|&(at, _)| slot.saturating_sub(at) >= self.slots)
        {
            self.maxima.pop_front();
        }
        if self.maxima.back().is_none_or(|&(at, _)| at != slot) {
            self.maxima.push_back((slot, wish));
        }
        self.maxima.front().map_or(wish, |&(_, held)| held)
    }
}

#[cfg(test)]
mod tests {
    use super::super::support::{seconds, start};
    use super::*;

    #[test]
    fn a_lower_wish_waits_until_the_higher_one_has_left_the_window() {
        let t = start();
        let mut delay = DelayWindow::new(seconds(10), seconds(2), t);
        let mut hold = |at, wish| delay.hold(t + seconds(at), wish);
        assert_eq!(hold(0, 4), 4);
        assert_eq!(hold(2, 1), 4);
        assert_eq!(hold(8, 1), 4);
        assert_eq!(hold(10, 1), 1);
        assert_eq!(hold(12, 7), 7);
    }

    #[test]
    fn without_a_delay_every_wish_is_taken_at_once() {
        let t = start();
        let mut delay = DelayWindow::new(Duration::ZERO, seconds(2), t);
        assert_eq!(delay.hold(t, 4), 4);
        assert_eq!(delay.hold(t, 2), 2);
    }

    #[test]
    fn two_wishes_in_one_slot_leave_the_higher() {
        let t = start();
        let mut delay = DelayWindow::new(seconds(2), seconds(2), t);
        assert_eq!(delay.hold(t, 4), 4);
        assert_eq!(delay.hold(t + seconds(1), 2), 4);
        assert_eq!(delay.hold(t + seconds(2), 2), 2);
    }

    #[test]
    fn a_longer_delay_begins_with_what_is_held() {
        let t = start();
        let mut delay = DelayWindow::new(seconds(4), seconds(2), t);
        assert_eq!(delay.hold(t, 9), 9);
        delay.resize(seconds(20));
        assert_eq!(delay.hold(t + seconds(18), 1), 9);
        delay.resize(seconds(4));
        assert_eq!(delay.hold(t + seconds(18), 1), 1);
    }
}
