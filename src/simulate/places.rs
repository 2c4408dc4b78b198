//! How many processes there may be, over all revisions together; first come, first served between
//! them.

use std::collections::VecDeque;

/// The places of one machine. A revision is named by its index.
#[derive(Debug)]
pub(super) struct Places {
    free: u32,
    line: VecDeque<u32>,
    /// Kept for those whose turn has come.
    kept: Vec<u32>,
}

impl Places {
    pub(super) const fn new(limit: u32) -> Self {
        Self {
            free: limit,
            line: VecDeque::new(),
            kept: Vec::new(),
        }
    }

    /// Takes a place for a revision, or a turn in the line for one.
    pub(super) fn take(&mut self, site: u32) -> bool {
        if let Some(at) = self.kept.iter().position(|kept| *kept == site) {
            self.kept.swap_remove(at);
            return true;
        }
        if self.waits(site) {
            return false;
        }
        if self.free == 0 {
            self.line.push_back(site);
            return false;
        }
        self.free -= 1;
        true
    }

    /// Whether a revision is in line.
    pub(super) fn waits(&self, site: u32) -> bool {
        self.line.contains(&site)
    }

    /// Gives a place back; returns the revision it is kept for from now on.
    pub(super) fn give_back(&mut self) -> Option<u32> {
        let next = self.line.pop_front();
        match next {
            Some(site) => self.kept.push(site),
            None => self.free += 1,
        }
        next
    }

    /// A revision needs none any more; returns who gets the one that was kept for it.
    pub(super) fn leave(&mut self, site: u32) -> Option<u32> {
        self.line.retain(|waiting| *waiting != site);
        let at = self.kept.iter().position(|kept| *kept == site)?;
        self.kept.swap_remove(at);
        self.give_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asked_first_gets_the_next_place() {
        let mut places = Places::new(1);
        assert!(places.take(0));
        assert!(!places.take(1) && !places.take(2) && !places.take(1));
        assert_eq!(places.give_back(), Some(1));
        assert!(!places.take(2), "it is kept for the other");
        assert!(places.take(1) && !places.waits(1) && places.waits(2));
    }

    #[test]
    fn a_place_that_is_not_needed_goes_to_the_next() {
        let mut places = Places::new(1);
        assert!(places.take(0) && !places.take(1) && !places.take(2));
        assert_eq!(places.give_back(), Some(1));
        assert_eq!(places.leave(1), Some(2));
        assert_eq!(places.leave(2), None);
        assert!(places.take(0));
    }
}
