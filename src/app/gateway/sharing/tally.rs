//! What a member measured, second by second, as its leader counts it: everything once. Two clocks never
//! beat together, so that within one second of the leader two reports may come, and none in the next.

use std::collections::VecDeque;

use crate::shares::Measured;

/// Most seconds that wait to be counted: who is further behind has stood still, and is not what it was.
const MOST_WAITING: usize = 2;

/// What a member measured.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Reported, and not counted yet.
    waiting: VecDeque<Measured>,
    /// What was counted last.
    last: Measured,
    /// The last was counted once more in place of one that was late.
    lent: bool,
}

impl Tally {
    /// It says so of its last second.
    pub(super) fn report(&mut self, measured: Measured) {
        if std::mem::take(&mut self.lent) {
            // It stood for this one.
            self.last = measured;
            return;
        }
        self.waiting.push_back(measured);
        if self.waiting.len() > MOST_WAITING {
            self.waiting.pop_front();
        }
    }

    /// What counts for the second that is over. One report that is late is taken for the one before it;
    /// who says nothing for longer has nothing to say.
    pub(super) fn count(&mut self) -> Measured {
        match self.waiting.pop_front() {
            Some(next) => self.last = next,
            None if self.lent => self.last = Measured::default(),
            None => self.lent = self.last != Measured::default(),
        }
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(n: u64) -> Measured {
        Measured {
            average_concurrency: 1.0,
            requests: n,
        }
    }

    /// What is counted, where `Some` is a report and `None` the end of a second here.
    fn counted(told: &[Option<u64>]) -> Vec<u64> {
        let mut tally = Tally::default();
        let mut counted = Vec::new();
        for told in told {
            match told {
                Some(n) => tally.report(requests(*n)),
                None => counted.push(tally.count().requests),
            }
        }
        counted
    }

    #[test]
    fn every_second_of_a_member_counts_once() {
        let check = |told: &[Option<u64>], want: &[u64]| assert_eq!(counted(told), want);
        check(&[Some(3), None, Some(4), None], &[3, 4]);
        // Two within one second of ours, none in the next.
        check(&[Some(3), Some(9), None, None, Some(1), None], &[3, 9, 1]);
        // One that is late is taken for the one before, and not counted again.
        check(&[Some(5), None, None, Some(6), Some(7), None], &[5, 5, 7]);
        // Who says nothing any more is not what it was for ever.
        check(&[Some(5), None, None, None, None], &[5, 5, 0, 0]);
        check(&[None, None], &[0, 0]);
    }
}
