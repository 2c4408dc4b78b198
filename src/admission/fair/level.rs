//! Those who wait in one level of a fair line: each tenant's own queue, and the turns they take.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use crate::admission::{Tenant, Ticket};

/// Of those who are back.
const NO_TURN: u64 = u64::MAX;

/// Those who wait in one level.
#[derive(Debug, Default)]
pub(super) struct Level {
    pub(super) queues: HashMap<Tenant, Queue>,
    /// The tenants in their turns. Those who are back have none: they are first.
    pub(super) round: BTreeMap<u64, Tenant>,
    next_turn: u64,
    pub(super) len: usize,
}

/// What a tenant has waiting in one level.
#[derive(Debug)]
pub(super) struct Queue {
    turn: u64,
    pub(super) tickets: BTreeSet<Ticket>,
    /// Since when the oldest is here and nothing was served.
    pub(super) since: Instant,
}

/// Where in its queue a request lines up.
pub(super) enum Order {
    /// It is the only one.
    New,
    /// Before the others.
    First,
    Behind,
}

/// Whom one that leaves a queue leaves there.
pub(super) enum Left {
    Nobody {
        since: Instant,
    },
    /// It was the oldest, and another is now.
    Head {
        since: Instant,
        next: Ticket,
    },
    Same,
}

impl Level {
    pub(super) fn line_up(&mut self, name: Tenant, ticket: Ticket, now: Instant) -> Order {
        let mut is_new = false;
        let queue = self.queues.entry(name).or_insert_with(|| {
            is_new = true;
            let mut turn = NO_TURN;
            if name != Tenant::BACK {
                turn = self.next_turn;
                self.next_turn += 1;
                self.round.insert(turn, name);
            }
            Queue {
                turn,
                tickets: BTreeSet::new(),
                since: now,
            }
        });
        queue.tickets.insert(ticket);
        match queue.tickets.first() {
            _ if is_new => Order::New,
            Some(first) if *first == ticket => Order::First,
            _ => Order::Behind,
        }
    }

    pub(super) fn leave(&mut self, name: Tenant, ticket: Ticket) -> Left {
        let Some(queue) = self.queues.get_mut(&name) else {
            return Left::Same;
        };
        queue.tickets.remove(&ticket);
        let since = queue.since;
        match queue.tickets.first() {
            None => {
                self.round.remove(&queue.turn);
                self.queues.remove(&name);
                Left::Nobody { since }
            }
            Some(&next) if next > ticket => Left::Head { since, next },
            Some(_) => Left::Same,
        }
    }

    /// Whose turn it is. Who takes it goes to the end of the round.
    pub(super) fn take_turn(&mut self) -> Tenant {
        if self.queues.contains_key(&Tenant::BACK) {
            return Tenant::BACK;
        }
        let first = self.round.pop_first();
        let (_, name) = first.expect("who is in a level has a turn there");
        if let Some(queue) = self.queues.get_mut(&name) {
            queue.turn = self.next_turn;
        }
        self.round.insert(self.next_turn, name);
        self.next_turn += 1;
        name
    }

    /// How many come before a ticket, waiting or to come.
    pub(super) fn before(&self, name: Tenant, ticket: Ticket) -> usize {
        let queue = self.queues.get(&name);
        let own = queue.map_or(0, |queue| queue.tickets.range(..ticket).count());
        if name == Tenant::BACK {
            return own;
        }
        let back = self.queues.get(&Tenant::BACK);
        let back = back.map_or(0, |back| back.tickets.len());
        let turn = queue.map_or(self.next_turn, |queue| queue.turn);
        let others = self.round.iter().filter(|(_, other)| **other != name);
        let theirs = others.map(|(their_turn, other)| {
            let turns = own + usize::from(*their_turn < turn);
            self.queues[other].tickets.len().min(turns)
        });
        back + own + theirs.sum::<usize>()
    }
}
