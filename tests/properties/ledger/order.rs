//! Who is served first, and what is known of everybody who waits.

use std::time::{Duration, Instant};

use holdgate::admission::{Class, Tenant, Terms, Ticket};
use holdgate::revision::QueueOrder;

use super::Ledger;

/// Short beside a history, in which every event takes a millisecond.
const AGEING: Duration = Duration::from_millis(12);

/// Tenants with a share of their own, of those who come.
const TENANTS: usize = 3;

pub(super) const FAIR: QueueOrder = QueueOrder::Fair {
    ageing: AGEING,
    max_tenants: TENANTS,
};

/// A request that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) terms: Terms,
    pub(super) arrived: Instant,
    pub(super) bytes: u64,
}

impl Waiting {
    /// The highest level to which it can have risen: one for each ageing that it has waited.
    pub(super) fn level(&self, now: Instant) -> u128 {
        let risen = now.duration_since(self.arrived).as_nanos() / AGEING.as_nanos();
        u128::from(self.terms.class.number()).saturating_sub(risen)
    }
}

/// Some of four classes and five tenants.
pub(super) fn terms(class: u8, tenant: u8) -> Terms {
    Terms {
        class: Class::numbered(class % 4),
        tenant: Tenant(u64::from(tenant % 5)),
        deadline: None,
    }
}

impl Ledger {
    /// Everybody who waits, in the order in which they are said to be served.
    pub(super) fn expected(&mut self) -> Vec<Ticket> {
        let places = self.waiting.keys().map(|&ticket| {
            let place = self.admission.position(ticket, self.now);
            (place.expect("who waits has a place"), ticket)
        });
        let mut places: Vec<(usize, Ticket)> = places.collect();
        places.sort_unstable();
        let numbers: Vec<usize> = places.iter().map(|(place, _)| *place).collect();
        let all: Vec<usize> = (0..self.waiting.len()).collect();
        assert_eq!(numbers, all, "everybody has a place of his own");
        places.into_iter().map(|(_, ticket)| ticket).collect()
    }

    /// It may be served before everybody else who waits.
    pub(super) fn is_next(&self, ticket: Ticket) {
        let first = self.waiting.first_key_value().map(|(first, _)| *first);
        if self.order == QueueOrder::Fifo {
            assert_eq!(first, Some(ticket), "overtaken");
            return;
        }
        let next = self.waiting[&ticket];
        let least = u8::try_from(next.level(self.now)).expect("one of four");
        for (other, waits) in &self.waiting {
            let alike = waits.terms == next.terms;
            assert!(!alike || *other >= ticket, "overtaken by its like");
            let above = waits.terms.class.number() < least;
            assert!(!above, "overtaken by the less important");
        }
    }

    /// It had its turn: only the more important are before it, and those who had theirs, too.
    pub(super) fn is_back(&mut self, ticket: Ticket) {
        let level = self.waiting[&ticket].level(self.now);
        let before = |(other, waits): &(&Ticket, &Waiting)| {
            waits.level(self.now) < level || (**other != ticket && self.returned.contains(other))
        };
        let before = self.waiting.iter().filter(before).count();
        let place = self.admission.position(ticket, self.now);
        assert!(
            place.is_some_and(|place| place <= before),
            "it lost its place"
        );
    }

    /// It may be sent away for one that comes.
    pub(super) fn may_give_way(&self, other: Ticket, terms: Terms) {
        assert_ne!(self.order, QueueOrder::Fifo, "nobody is sent away");
        let other = self.waiting[&other];
        let more = other.terms.class > terms.class;
        let same = other.terms.class == terms.class;
        assert!(more || (same && other.terms.tenant != terms.tenant));
    }
}
