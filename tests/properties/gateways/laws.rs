//! What must hold of a town at any moment, and what must come true once nothing bad happens.

use std::time::Duration;

use holdgate::admission::Ticket;
use holdgate::shares::{Order, UNLIMITED, Word};

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
        ours.chain(granted).map(u64::from).sum()
    }

    /// Requests there that were sent by gateways which have died.
    fn ghosts(&self, id: u64) -> u64 {
        let ghosts = self.ghosts.iter().filter(|ghost| ghost.replica == id);
        ghosts.count() as u64
    }

    /// What was somebody's, of which the leader does not know yet that it is not.
    fn returning(&self, id: u64) -> u64 {
        let said = self.places.iter().flat_map(|place| &place.up);
        let returned = said.filter_map(|(_, _, said)| match said {
            Said::Word(Word::Returned(s)) if s.pod == pod(id) => Some(u64::from(s.slots)),
            _ => None,
        });
        returned.sum()
    }

    fn inside(&self, id: u64) -> u64 {
        let inside: usize = self.gates().map(|gate| gate.inside(id)).sum();
        inside as u64 + self.ghosts(id)
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
            let (used, inside, ghosts) = (self.used(id), self.inside(id), self.ghosts(id));
            self.check_vacancy(id, used, ghosts);
            let used = used + ghosts;
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
        }
        self.check_nobody_waits_in_vain();
    }

    /// Who leads may call vacant only what nobody living can use. What the dead left in a replica
    /// that was not ready in its reign is nobody's any more.
    fn check_vacancy(&self, id: u64, used: u64, ghosts: u64) {
        let Some(leader) = self.leader.and_then(|at| self.places[at].gate.as_ref()) else {
            return;
        };
        if self.book.is_vacant(&pod(id)) {
            assert_eq!(used, 0, "{id} is called vacant");
            let ready = leader.view.ready.contains(&id);
            assert!(!ready || ghosts == 0, "{id} is called vacant too early");
        }
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
                    assert!(
                        waited <= Duration::from_secs(1),
                        "somebody waits in vain {:?} {:?} {:#?} {:?}",
                        self.places
                            .iter()
                            .map(|p| p.gate.as_ref().map(|g| (
                                g.ours(),
                                g.waiting.len(),
                                g.view.clone()
                            )))
                            .collect::<Vec<_>>(),
                        self.now,
                        self.book,
                        self.ghosts
                            .iter()
                            .map(|g| (g.replica, g.ends))
                            .collect::<Vec<_>>()
                    );
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
        self.check_all_is_somebodys();
    }

    fn check_all_is_somebodys(&self) {
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
                let (all, coming) = (self.used(id), self.returning(id));
                assert_eq!(
                    all + coming,
                    u64::from(limit),
                    "all are somebody's: {held:?} of {id}"
                );
            }
        }
    }
}
