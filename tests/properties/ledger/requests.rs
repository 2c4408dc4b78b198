//! Requests come, end and go.

use std::time::Duration;

use holdgate::admission::{Back, Terms, Verdict};
use holdgate::revision::QueueOrder;

use super::order::{Waiting, terms};
use super::{BOUNDS, Event, Ledger};

impl Ledger {
    pub(super) fn request(&mut self, event: Event) {
        match event {
            Event::Arrive(bytes) => self.arrive(bytes, Terms::default()),
            Event::ArriveAs(bytes, class, tenant) => self.arrive(bytes, terms(class, tenant)),
            Event::HoldMore(i, bytes) => {
                if let Some(ticket) = Self::pick(self.waiting.keys().copied(), i)
                    && self.admission.hold_more(ticket, bytes)
                {
                    self.waiting.get_mut(&ticket).expect("it waits").bytes += bytes;
                }
            }
            Event::Leave(i) => self.leave(i),
            Event::Cancel(i) => {
                if let Some(ticket) = Self::pick(self.waiting.keys().copied(), i) {
                    assert!(self.admission.cancel(ticket, self.now));
                    self.waiting.remove(&ticket);
                    assert!(!self.admission.cancel(ticket, self.now), "cancelled twice");
                }
            }
            Event::Abandon(i) => {
                if let Some(index) = Self::pick(0..self.running.len(), i)
                    && !std::mem::replace(&mut self.running[index].2, true)
                {
                    self.admission.abandon(self.now);
                }
            }
            Event::Rebuff(i) => self.rebuff(i),
            Event::Dismiss => {
                let dismissed = self.admission.dismiss(self.now);
                assert_eq!(dismissed, self.waiting.keys().copied().collect::<Vec<_>>());
                self.waiting.clear();
            }
            _ => unreachable!("it is none of requests"),
        }
    }

    fn arrive(&mut self, bytes: u64, terms: Terms) {
        let arrived = self.now;
        let waits = Waiting {
            terms,
            arrived,
            bytes,
        };
        match self.admission.arrive_on(bytes, self.now, || Ok(terms)) {
            Verdict::Admitted(ticket, seat) => {
                assert!(self.waiting.is_empty(), "overtaken by a newcomer");
                self.came.insert(ticket, (terms, arrived));
                self.seated(ticket, seat);
            }
            Verdict::Queued(ticket) => {
                assert!(self.waiting.len() < BOUNDS.max_requests, "over the bound");
                self.came.insert(ticket, (terms, arrived));
                self.waiting.insert(ticket, waits);
            }
            Verdict::QueuedInstead(ticket, other) => {
                self.may_give_way(other, terms);
                self.waiting.remove(&other);
                self.came.insert(ticket, (terms, arrived));
                self.waiting.insert(ticket, waits);
            }
            Verdict::Late(_) => panic!("it has no deadline"),
            Verdict::Refused(_) => {
                let held: u64 = self.waiting.values().map(|waits| waits.bytes).sum();
                let full = self.waiting.len() >= BOUNDS.max_requests;
                assert!(
                    full || held + bytes > BOUNDS.max_bytes,
                    "refused without need"
                );
            }
        }
    }

    fn leave(&mut self, index: usize) {
        let Some((_, seat, abandoned)) = self.take_running(index) else {
            return;
        };
        let took = Duration::from_millis(5);
        let retired = self.is_retired(seat.replica);
        let left = if abandoned {
            self.admission.vacate(seat, self.now)
        } else {
            self.admission.leave(seat, took, self.now)
        };
        self.left(seat.replica, retired, left);
    }

    fn rebuff(&mut self, index: usize) {
        let Some((ticket, seat, abandoned)) = self.take_running(index) else {
            return;
        };
        if abandoned {
            self.running.push((ticket, seat, abandoned));
            return;
        }
        let (terms, since) = self.came[&ticket];
        let bytes = 3;
        let back = Back {
            bytes,
            terms,
            since,
        };
        match self.admission.rebuff(ticket, seat, back, self.now) {
            Verdict::Admitted(ticket, seat) => {
                assert!(self.waiting.is_empty(), "a free slot beside a line");
                self.seated(ticket, seat);
            }
            Verdict::Queued(ticket) => {
                let waits = Waiting {
                    terms,
                    arrived: since,
                    bytes,
                };
                self.waiting.insert(ticket, waits);
                self.returned.push(ticket);
                if self.order != QueueOrder::Fifo {
                    self.is_back(ticket);
                }
            }
            _ => panic!("what was accepted goes back to its place"),
        }
    }
}
