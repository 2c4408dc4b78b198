//! What is ours of each replica where several gateways use the same ones. A share is a number of
//! slots; what is lent to us can be recalled, and is returned at once where it is idle, else as
//! requests end. Whoever is alone has the whole of every replica, and none of this costs anything.

use std::collections::BTreeMap;
use std::time::Instant;

use super::slots::{Slots, WHOLE};
use super::{Admission, Grant};
use crate::revision::ReplicaId;

/// What is ours of one replica, and how much of it is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Whose.
    pub replica: ReplicaId,
    /// Slots that are ours, those that fell due and were not told yet included.
    pub slots: u32,
    /// How many of them requests occupy.
    pub in_flight: u32,
}

/// What is kept of shares beside the replicas in the list.
#[derive(Debug, Default)]
pub(super) struct Shares {
    /// Others use the same replicas.
    divided: bool,
    /// What is ours of replicas that are not in the list, in which nothing runs.
    unlisted: BTreeMap<ReplicaId, Unlisted>,
    /// They get nothing, whatever is granted of them.
    given_up: Vec<ReplicaId>,
    /// Recalled, and paid by whichever request ends first.
    debt: u32,
    /// No longer ours, and nobody was told yet.
    due: BTreeMap<ReplicaId, u32>,
}

#[derive(Debug)]
struct Unlisted {
    share: u32,
    /// The world has had it, so that it is gone for good when the world has it no longer.
    known: bool,
}

impl Shares {
    /// What is ours of a replica that comes into the list.
    pub(super) fn list(&mut self, replica: ReplicaId) -> u32 {
        if !self.divided {
            return WHOLE;
        }
        let unlisted = self.unlisted.remove(&replica);
        unlisted.map_or(0, |unlisted| unlisted.share)
    }

    /// A replica in which nothing runs goes out of the list.
    pub(super) fn unlist<R>(&mut self, slots: &Slots<R>) {
        if self.divided && slots.share > 0 {
            let (share, known) = (slots.share, true);
            self.unlisted.insert(slots.id, Unlisted { share, known });
        }
    }

    /// A request has ended: what is owed goes, before anybody gets the slot.
    pub(super) fn pay<R>(&mut self, slots: &mut Slots<R>) {
        if slots.owed == 0 && self.debt == 0 {
            return;
        }
        let paid = slots.settle();
        self.fall_due(slots.id, paid);
        let paid = slots.spare(self.debt);
        self.fall_due(slots.id, paid);
    }

    /// Whatever is returned, for whatever reason, pays what was recalled: so who recalls can count
    /// along by what comes back.
    fn fall_due(&mut self, replica: ReplicaId, slots: u32) {
        self.debt = self.debt.saturating_sub(slots);
        if slots > 0 {
            let due = self.due.entry(replica).or_default();
            *due = due.saturating_add(slots);
        }
    }

    fn take_due(&mut self) -> Vec<(ReplicaId, u32)> {
        std::mem::take(&mut self.due).into_iter().collect()
    }
}

impl<R: Clone> Admission<R> {
    /// From now on others use the same replicas: with `keep` the whole of those that are there is
    /// ours, else nothing but the slots that requests occupy, until these end. No effect where they
    /// are divided already.
    pub fn divide(&mut self, keep: bool) {
        if std::mem::replace(&mut self.shares.divided, true) {
            return;
        }
        let whole = if keep { self.limit.slots() } else { 0 };
        for slots in &mut self.replicas {
            slots.share = whole;
            slots.owed = slots.in_flight.saturating_sub(whole);
        }
    }

    /// Nobody else uses these replicas any more: each is ours as a whole, and nothing is owed.
    pub fn unite(&mut self, now: Instant) -> Vec<Grant> {
        self.shares = Shares::default();
        for slots in &mut self.replicas {
            slots.share = WHOLE;
            slots.owed = 0;
        }
        self.seat_waiting(now)
    }

    /// So many slots of a replica more are ours, whether or not it is in the list yet. What is owed
    /// is paid of them first.
    pub fn grant(&mut self, replica: ReplicaId, slots: u32, now: Instant) -> Vec<Grant> {
        if !self.shares.divided {
            return Vec::new();
        }
        if self.shares.given_up.contains(&replica) {
            self.shares.fall_due(replica, slots);
            return Vec::new();
        }
        if let Some(listed) = self.replicas.iter_mut().find(|s| s.id == replica) {
            listed.share = listed.share.saturating_add(slots);
            self.shares.pay(listed);
            return self.seat_waiting(now);
        }
        let paid = slots.min(self.shares.debt);
        self.shares.fall_due(replica, paid);
        let (share, known) = (0, false);
        let unlisted = self.shares.unlisted.entry(replica);
        let unlisted = unlisted.or_insert(Unlisted { share, known });
        unlisted.share = unlisted.share.saturating_add(slots - paid);
        Vec::new()
    }

    /// Gives back so many slots of whichever replicas: idle ones, returned here, and for the rest
    /// those of the requests that end first.
    pub fn recall(&mut self, slots: u32) -> Vec<(ReplicaId, u32)> {
        let spared = self.spare(slots);
        let paid: u32 = spared.iter().map(|(_, slots)| slots).sum();
        let lent = self.replicas.iter().filter(|s| s.share != WHOLE);
        let ours = lent.fold(0, |sum: u32, s| sum.saturating_add(s.ours()));
        let debt = self.shares.debt.saturating_add(slots - paid);
        self.shares.debt = debt.min(ours);
        spared
    }

    /// Gives back up to so many idle slots at once, and owes nothing. The emptiest replicas go
    /// first, and those that take requests before those that do not.
    pub fn spare(&mut self, slots: u32) -> Vec<(ReplicaId, u32)> {
        let mut order: Vec<usize> = (0..self.replicas.len()).collect();
        order.retain(|&i| self.replicas[i].share != WHOLE && self.replicas[i].idle() > 0);
        order.sort_by_key(|&i| {
            let s = &self.replicas[i];
            (!s.serves(), std::cmp::Reverse((s.idle(), i)))
        });
        let (mut left, mut spared) = (slots, Vec::new());
        let mut note = |replica, slots: u32, left: &mut u32| {
            *left -= slots;
            spared.extend((slots > 0).then_some((replica, slots)));
        };
        for index in order {
            let slots = &mut self.replicas[index];
            let taken = slots.spare(left);
            note(slots.id, taken, &mut left);
        }
        for (&replica, unlisted) in &mut self.shares.unlisted {
            if unlisted.share != WHOLE {
                let taken = unlisted.share.min(left);
                unlisted.share -= taken;
                note(replica, taken, &mut left);
            }
        }
        self.shares.unlisted.retain(|_, s| s.share > 0);
        self.shares.debt = self.shares.debt.saturating_sub(slots - left);
        spared
    }

    /// Of this replica at most so many slots stay ours. What is idle above that is returned here,
    /// the rest falls due as requests end.
    pub fn keep(&mut self, replica: ReplicaId, most: u32) -> u32 {
        let mut returned = 0;
        if !self.shares.divided {
            return returned;
        }
        if let Some(slots) = self.replicas.iter_mut().find(|s| s.id == replica) {
            let above = slots.share.saturating_sub(most);
            slots.share -= above;
            slots.owed = slots.owed.saturating_add(above);
            returned = slots.settle();
        } else if let Some(unlisted) = self.shares.unlisted.get_mut(&replica) {
            returned = unlisted.share.saturating_sub(most);
            unlisted.share -= returned;
            self.shares.unlisted.retain(|_, s| s.share > 0);
        }
        self.shares.debt = self.shares.debt.saturating_sub(returned);
        returned
    }

    /// Exactly these replicas get no new request: what is idle of them is returned here, the rest
    /// falls due as it ends. One that was among them before and is not now serves again with what
    /// is granted of it from now on.
    pub fn give_up(&mut self, replicas: &[ReplicaId]) -> Vec<(ReplicaId, u32)> {
        if !self.shares.divided {
            return Vec::new();
        }
        self.shares.given_up = replicas.to_vec();
        let returned = replicas.iter().map(|&id| (id, self.keep(id, 0)));
        returned.filter(|(_, slots)| *slots > 0).collect()
    }

    /// A replica that is in the world no longer does not come back: what is idle of it falls due,
    /// and the rest as it ends.
    pub fn void_shares(&mut self, exists: impl Fn(ReplicaId) -> bool) {
        if !self.shares.divided {
            return;
        }
        let mut gone = Vec::new();
        for (&replica, unlisted) in &mut self.shares.unlisted {
            let exists = exists(replica);
            gone.extend((unlisted.known && !exists).then_some(replica));
            unlisted.known |= exists;
        }
        let ended = self.replicas.iter().filter(|s| !s.present && !exists(s.id));
        gone.extend(ended.map(|s| s.id));
        for replica in gone {
            let returned = self.keep(replica, 0);
            self.shares.fall_due(replica, returned);
        }
    }

    /// What fell due since it was last asked. Who was told it counts it as ours no longer.
    pub fn returned(&mut self) -> Vec<(ReplicaId, u32)> {
        self.shares.take_due()
    }

    /// Whether something fell due.
    #[must_use]
    pub fn is_due(&self) -> bool {
        !self.shares.due.is_empty()
    }

    /// Whether others use the same replicas.
    #[must_use]
    pub fn is_divided(&self) -> bool {
        self.shares.divided
    }

    /// Somebody waits, and replicas serve of which no free slot is ours.
    #[must_use]
    pub fn is_hungry(&self) -> bool {
        self.shares.divided && !self.line.is_empty() && self.serving() > 0
    }

    /// What is ours of each replica, and what runs there. Undivided, that is the whole.
    #[must_use]
    pub fn holdings(&self) -> Vec<Holding> {
        let mut held: BTreeMap<ReplicaId, (u32, u32)> = BTreeMap::new();
        for slots in &self.replicas {
            let whole = self.limit.slots().max(slots.in_flight);
            let ours = if self.shares.divided {
                slots.ours()
            } else {
                whole
            };
            held.insert(slots.id, (ours, slots.in_flight));
        }
        let unlisted = self.shares.unlisted.iter().map(|(id, s)| (id, s.share));
        for (&id, more) in unlisted.chain(self.shares.due.iter().map(|(id, &due)| (id, due))) {
            let (slots, _) = held.entry(id).or_default();
            *slots = slots.saturating_add(more);
        }
        let holding = |(replica, (slots, in_flight))| Holding {
            replica,
            slots,
            in_flight,
        };
        let held = held.into_iter().map(holding);
        held.filter(|h| h.slots > 0).collect()
    }
}
