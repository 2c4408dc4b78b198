//! What must hold of a town at any moment, and what must come true once nothing bad happens.

use std::time::Duration;

use holdgate::admission::Ticket;
use holdgate::shares::{Order, UNLIMITED};

use super::gate::{Gate, pod};
use super::{Happening, Place, Said, Town};

impl Town {
    fn gates(&self) -> impl Iterator<Item = &Gate> {
        self.places.iter().filter_map(|place| place.gate.as_ref())
    }

    /// Slots that are somebody's or may become so by what is on its way.
    fn used(&self, id: u64) -> u64 {
        let ours = self
            .gates()
            .map(|gate| gate.ours().get(&id).copied().unwrap_or(0));
        let granted = self.places.iter().flat_map(|place| {
            let heard = place
                .down
                .iter()
                .filter(|(_, reign, _)| *reign >= place.reign);
            heard.filter_map(|(_, _, said)| match said {
                Said::Ordered(Order::Grant(s)) if s.pod == pod(id) => Some(s.slots),
                _ => None,
            })
        });
        let ghosts = self.ghosts.iter().filter(|(replica, _)| *replica == id);
        ours.chain(granted).map(u64::from).sum::<u64>() + ghosts.count() as u64
    }

    fn inside(&self, id: u64) -> u64 {
        let ghosts = self.ghosts.iter().filter(|(replica, _)| *replica == id);
        let inside: usize = self.gates().map(|gate| gate.inside(id)).sum();
        (inside + ghosts.count()) as u64
    }

    pub(super) fn check(&mut self) {
        self.raise_peaks();
        let all_see = self.places.iter().all(|place| place.sees.is_empty());
        let limit = u64::from(if self.view.limit == 0 {
            UNLIMITED
        } else {
            self.view.limit
        });
        for &id in &self.pods {
            let (used, inside) = (self.used(id), self.inside(id));
            let peak = self.peak.get_mut(&id).expect("raised");
            if *peak < u64::from(UNLIMITED) {
                assert!(inside <= *peak, "{inside} inside {id}, at most {peak}");
                assert!(
                    used <= *peak,
                    "{used} of {id} are somebody's, at most {peak}"
                );
            }
            if all_see && used <= limit {
                *peak = limit;
            }
            let vacant = self.released && self.leader.is_some() && self.book.is_vacant(&pod(id));
            assert!(!vacant || inside == 0, "{id} is called vacant");
        }
        self.check_nobody_waits_in_vain();
    }

    fn check_nobody_waits_in_vain(&mut self) {
        let limit = u64::from(self.view.limit);
        let serves = |id: &&u64| self.view.ready.contains(id) && !self.view.retired.contains(id);
        let mut pods = self.pods.iter().filter(serves);
        let free = pods.any(|&id| limit == 0 || self.inside(id) < limit);
        let free = self.calm && free;
        let first = |place: &Place| place.gate.as_ref()?.waiting.first().copied();
        let first: Vec<Option<Ticket>> = self.places.iter().map(first).collect();
        for (first, vain) in first.into_iter().zip(&mut self.vain) {
            match (first.filter(|_| free), &*vain) {
                (None, _) => *vain = None,
                (Some(first), Some((same, since))) if first == *same => {
                    let waited = self.now - *since;
                    assert!(waited <= Duration::from_secs(1), "somebody waits in vain");
                }
                (Some(first), _) => *vain = Some((first, self.now)),
            }
        }
    }

    /// Nothing bad happens any more. All slots come to use, and requests go on coming.
    pub(crate) fn calm_down(&mut self) {
        self.happen(Happening::Revive);
        for id in self.pods.clone() {
            self.change(|view, _| {
                view.ready.insert(id);
            });
        }
        self.pass(3000);
        self.calm = true;
        for _ in 0..40 {
            let at = usize::try_from(self.dice(9)).expect("few");
            let most = 1 + 3 * self.view.limit.min(5);
            let n = u32::try_from(self.dice(most.into())).expect("few");
            self.happen(Happening::Arrive(at, n));
            let then = self.dice(250);
            self.pass(then);
        }
        self.pass(5000);
        assert!(self.gates().all(|gate| gate.waiting.is_empty()), "served");
        let limit = if self.view.limit == 0 {
            UNLIMITED
        } else {
            self.view.limit
        };
        for &id in &self.pods {
            let held = self
                .gates()
                .map(|gate| gate.ours().get(&id).copied().unwrap_or(0));
            let held: Vec<u32> = held.collect();
            if limit == UNLIMITED {
                assert!(held.iter().all(|&held| held == UNLIMITED), "{held:?}");
            } else {
                assert_eq!(
                    held.iter().sum::<u32>(),
                    limit,
                    "all are somebody's: {held:?}"
                );
            }
        }
    }
}
