//! The line of waiting requests, bounded by count and bytes: first come, first served, or fair.

use std::collections::BTreeMap;
use std::time::Instant;

use super::fair::Fair;
use super::{Back, Tenant, Terms, Ticket};
use crate::revision::QueueOrder;

/// Waiting requests in order of arrival.
///
/// A `BTreeMap`, not a deque: a request whose replica could not be reached goes back to its own
/// place, and one that leaves from the middle leaves nothing behind.
#[derive(Debug, Default)]
pub struct Line {
    waiting: BTreeMap<Ticket, Entry>,
    bytes: u64,
    /// Who is next, where that is not whoever came first.
    fair: Option<Box<Fair>>,
}

/// One that waits.
#[derive(Debug)]
struct Entry {
    back: Back,
    /// It had its turn, and could not be served.
    had_turn: bool,
}

impl Line {
    /// Nobody waits.
    pub(super) fn new(order: QueueOrder, now: Instant) -> Self {
        let mut line = Self::default();
        line.set_order(order, now);
        line
    }

    /// Serves in this order from now on, also those who wait already.
    pub(super) fn set_order(&mut self, order: QueueOrder, now: Instant) {
        let QueueOrder::Fair {
            ageing,
            max_tenants,
        } = order
        else {
            self.fair = None;
            return;
        };
        if let Some(fair) = &mut self.fair {
            return fair.set(ageing, max_tenants);
        }
        let mut fair = Box::new(Fair::new(ageing, max_tenants));
        for (&ticket, entry) in &self.waiting {
            let Back { terms, since, .. } = entry.back;
            if entry.had_turn {
                fair.rejoin(ticket, terms, since, now);
            } else {
                fair.join(ticket, terms, now);
            }
        }
        self.fair = Some(fair);
    }

    /// Joins at its end.
    pub(super) fn join(&mut self, ticket: Ticket, bytes: u64, terms: Terms, now: Instant) {
        if let Some(fair) = &mut self.fair {
            fair.join(ticket, terms, now);
        }
        let since = now;
        let back = Back {
            bytes,
            terms,
            since,
        };
        self.enter(ticket, back, false);
    }

    /// Goes back to its place: it had its turn, and could not be served.
    pub(super) fn rejoin(&mut self, ticket: Ticket, back: Back, now: Instant) {
        if let Some(fair) = &mut self.fair {
            fair.rejoin(ticket, back.terms, back.since, now);
        }
        self.enter(ticket, back, true);
    }

    fn enter(&mut self, ticket: Ticket, back: Back, had_turn: bool) {
        self.bytes += back.bytes;
        self.waiting.insert(ticket, Entry { back, had_turn });
    }

    pub(super) fn contains(&self, ticket: Ticket) -> bool {
        self.waiting.contains_key(&ticket)
    }

    pub(super) fn hold_more(&mut self, ticket: Ticket, bytes: u64) {
        if let Some(entry) = self.waiting.get_mut(&ticket) {
            entry.back.bytes += bytes;
            self.bytes += bytes;
        }
    }

    /// The next one, which leaves the line.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Ticket> {
        let (ticket, entry) = match &mut self.fair {
            None => self.waiting.pop_first()?,
            Some(fair) => self.waiting.remove_entry(&fair.next(now)?)?,
        };
        self.bytes -= entry.back.bytes;
        Some(ticket)
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> bool {
        let removed = self.waiting.remove(&ticket);
        self.bytes -= removed.as_ref().map_or(0, |entry| entry.back.bytes);
        if let Some(fair) = &mut self.fair {
            fair.remove(ticket);
        }
        removed.is_some()
    }

    /// Everybody leaves, in order of arrival.
    pub(super) fn drain(&mut self) -> Vec<Ticket> {
        self.bytes = 0;
        let tickets: Vec<Ticket> = std::mem::take(&mut self.waiting).into_keys().collect();
        if let Some(fair) = &mut self.fair {
            for &ticket in &tickets {
                fair.remove(ticket);
            }
        }
        tickets
    }

    /// How many are served before a ticket if nobody else comes; `None` if it does not wait.
    pub(super) fn position(&mut self, ticket: Ticket, now: Instant) -> Option<usize> {
        if let Some(fair) = &mut self.fair {
            return fair.position(ticket, now);
        }
        let waits = self.contains(ticket);
        waits.then(|| self.waiting.range(..ticket).count())
    }

    /// How many would be served before one that came now.
    pub(super) fn ahead_of(&mut self, terms: Terms, now: Instant) -> usize {
        match &mut self.fair {
            Some(fair) => fair.ahead_of(terms, now),
            None => self.waiting.len(),
        }
    }

    /// Who makes room for one with so many bytes that comes while the line is full, and would still
    /// hold no more than `max_bytes` with it; nobody does where who comes first is served first.
    pub(super) fn gives_way(
        &mut self,
        (bytes, max_bytes): (u64, u64),
        terms: Terms,
        now: Instant,
    ) -> Option<Ticket> {
        let ticket = self.fair.as_mut()?.gives_way(terms, now)?;
        let freed = self.waiting.get(&ticket)?.back.bytes;
        let held = (self.bytes - freed).saturating_add(bytes);
        (held <= max_bytes).then_some(ticket)
    }

    pub(super) fn oldest(&self) -> Option<Instant> {
        self.waiting
            .first_key_value()
            .map(|(_, entry)| entry.back.since)
    }

    /// How many wait of each class and of the busiest tenants; `None` where nobody asks for either.
    pub(super) fn parts(&self) -> Option<Parts> {
        let fair = self.fair.as_ref()?;
        Some(Parts {
            classes: fair.depths(),
            tenants: fair.busiest(MOST_NAMED),
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Tenants that a report tells of.
const MOST_NAMED: usize = 10;

/// Of whom a fair line is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// How many wait of each class, the most important first.
    pub classes: [usize; 4],
    /// The tenants that have most waiting, and how many.
    pub tenants: Vec<(Tenant, usize)>,
}
