//! What every gateway calls a replica, and what this one does.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::ports::World;
use crate::revision::ReplicaId;
use crate::shares::{Order, Pod, Slots};

/// Names of replicas that are gone are kept until there are so many of them.
const MOST_GONE: usize = 256;

/// Who has looked for so long has seen everything that was there when it began.
const SETTLED: Duration = Duration::from_secs(10);

/// Clocks of different machines may be so far apart.
const SKEW: Duration = Duration::from_secs(5);

/// The replicas of one revision by both their names.
#[derive(Debug, Default)]
pub(super) struct Names {
    ids: HashMap<Pod, ReplicaId>,
    pods: HashMap<ReplicaId, Pod>,
    /// Since when they are looked at.
    since: Option<Instant>,
    /// Those that were seen before they took requests, and when they were made, at the earliest.
    made: HashMap<Pod, Instant>,
}

impl Names {
    /// These are there. One that is gone keeps its name for a while: requests may be in it.
    pub(super) fn see(&mut self, world: &World, now: Instant) {
        let since = *self.since.get_or_insert(now);
        for view in &world.replicas {
            let Some(pod) = view.uid.clone() else {
                continue;
            };
            self.pods.insert(view.id, pod.clone());
            let is_new = self.ids.insert(pod.clone(), view.id).is_none();
            if is_new && view.state.is_on_its_way() {
                // Who has looked for a while sees what is made; else its age tells, by another clock.
                let looked = now >= since + SETTLED;
                let told = view.since.checked_sub(SKEW).unwrap_or(view.since);
                let made = if looked { now } else { told };
                self.made.insert(pod, made);
            }
        }
        if self.pods.len() > world.replicas.len() + MOST_GONE {
            let there: HashSet<ReplicaId> = world.replicas.iter().map(|view| view.id).collect();
            self.pods.retain(|id, _| there.contains(id));
            self.ids.retain(|_, id| there.contains(id));
            self.made.retain(|pod, _| self.ids.contains_key(pod));
        }
    }

    /// What this gateway calls it.
    pub(super) fn id(&self, pod: &Pod) -> Option<ReplicaId> {
        self.ids.get(pod).copied()
    }

    /// What everybody calls it.
    pub(super) fn pod(&self, id: ReplicaId) -> Option<&Pod> {
        self.pods.get(&id)
    }

    /// Those that were made after a moment, before anybody sent requests to them.
    pub(super) fn made_after(&self, moment: Instant) -> Vec<Pod> {
        let made = self.made.iter().filter(|(_, made)| **made > moment);
        made.map(|(pod, _)| pod.clone()).collect()
    }

    /// Slots as everybody calls them.
    pub(super) fn slots(&self, slots: impl IntoIterator<Item = (ReplicaId, u32)>) -> Vec<Slots> {
        let named = |(id, slots): (ReplicaId, u32)| {
            let pod = self.pod(id)?.clone();
            Some(Slots { pod, slots })
        };
        slots.into_iter().filter_map(named).collect()
    }
}

/// What was granted of replicas that this gateway has not seen yet.
#[derive(Debug, Default)]
pub(super) struct Early(BTreeMap<Pod, u32>);

impl Early {
    /// So many slots more of one that is not seen.
    pub(super) fn grant(&mut self, granted: Slots) {
        let slots = self.0.entry(granted.pod).or_default();
        *slots = slots.saturating_add(granted.slots);
    }

    /// Gives back up to so many slots.
    pub(super) fn recall(&mut self, mut count: u32) -> Vec<Slots> {
        let mut back = Vec::new();
        for (pod, slots) in &mut self.0 {
            let taken = count.min(*slots);
            *slots -= taken;
            count -= taken;
            back.push(Slots {
                pod: pod.clone(),
                slots: taken,
            });
        }
        self.0.retain(|_, slots| *slots > 0);
        back.retain(|slots| slots.slots > 0);
        back
    }

    /// Keeps at most so many slots of one, gives back the others.
    pub(super) fn keep(&mut self, most: &Slots) -> Option<Slots> {
        let held = self.0.get_mut(&most.pod)?;
        let slots = held.saturating_sub(most.slots);
        *held -= slots;
        let pod = most.pod.clone();
        (slots > 0).then_some(Slots { pod, slots })
    }

    /// Gives back what there is of these.
    pub(super) fn retire(&mut self, pods: &[Pod]) -> Vec<Slots> {
        let taken = pods.iter().filter_map(|pod| self.0.remove_entry(pod));
        taken.map(|(pod, slots)| Slots { pod, slots }).collect()
    }

    /// Does what it is told, of a revision of which nothing has been seen. Returns what it gives back.
    pub(super) fn obey(&mut self, order: Order) -> Vec<Slots> {
        match order {
            Order::Grant(slots) => {
                self.grant(slots);
                Vec::new()
            }
            Order::Recall(count) | Order::Spare(count) => self.recall(count),
            Order::Keep(most) => self.keep(&most).into_iter().collect(),
            Order::Retire(pods) => self.retire(&pods),
            // It is told again when somebody is here who could heed it.
            Order::Rest(_) => Vec::new(),
        }
    }

    /// Those that are seen now, by their names here.
    pub(super) fn seen(&mut self, names: &Names) -> Vec<(ReplicaId, u32)> {
        let mut seen = Vec::new();
        self.0.retain(|pod, slots| match names.id(pod) {
            Some(id) => {
                seen.push((id, *slots));
                false
            }
            None => true,
        });
        seen
    }

    /// Everything that was granted.
    pub(super) fn held(&self) -> Vec<Slots> {
        let held = self.0.iter().map(|(pod, &slots)| Slots {
            pod: pod.clone(),
            slots,
        });
        held.collect()
    }

    /// Everything in it is another's.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(pod: &str, slots: u32) -> Slots {
        Slots {
            pod: pod.into(),
            slots,
        }
    }

    #[test]
    fn what_is_granted_of_an_unseen_replica_can_be_recalled() {
        let mut early = Early::default();
        assert_eq!(early.obey(Order::Grant(slots("a", 2))), []);
        assert_eq!(early.obey(Order::Grant(slots("b", 2))), []);
        let back = early.obey(Order::Recall(3));
        assert_eq!(back, [slots("a", 2), slots("b", 1)]);
        assert_eq!(early.held(), [slots("b", 1)]);
        assert_eq!(early.obey(Order::Retire(vec!["b".into()])), [slots("b", 1)]);
        assert_eq!(early.obey(Order::Recall(3)), []);
    }
}
