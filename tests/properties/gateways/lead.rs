//! Who leads: the book, what comes to it and what it says.

use std::time::{Duration, Instant};

use holdgate::shares::{Book, MemberId, Order, Pod, Slots, UNLIMITED, Word};

use super::gate::pod;
use super::{LONGEST, NOTICED, Said, Town, pop, push};

impl Town {
    /// The book is gone with who kept it; what was said by it may still arrive.
    pub(super) fn depose(&mut self) {
        self.leader = None;
        self.leads_from = self.now + NOTICED;
        self.book = Book::new();
        self.released = true;
        for place in &mut self.places {
            place.up.clear();
            (place.joined, place.dials) = (false, None);
        }
    }

    pub(super) fn lead(&mut self, at: usize) {
        self.leader = Some(at);
        self.reign += 1;
        self.released = false;
        self.book.withhold_unclaimed();
        self.tell_book(at);
        for place in &mut self.places {
            place.dials = place.gate.as_ref().map(|_| self.now);
        }
    }

    pub(super) fn tell_book(&mut self, leader: usize) {
        let gate = self.places[leader].gate.as_ref().expect("who leads lives");
        let slots = if gate.view.limit == 0 {
            UNLIMITED
        } else {
            gate.view.limit
        };
        let ready = gate.view.ready.iter();
        let ready: Vec<Slots> = ready
            .map(|&id| Slots {
                pod: pod(id),
                slots,
            })
            .collect();
        let retired: Vec<Pod> = gate.view.retired.iter().map(|&id| pod(id)).collect();
        let orders = self.book.set(&ready, &retired, self.now);
        self.send(orders);
    }

    pub(super) fn send(&mut self, orders: Vec<(MemberId, Order)>) {
        for (to, order) in orders {
            let gates = self.places.iter();
            let at = { gates }.position(|p| p.gate.as_ref().is_some_and(|gate| gate.id == to));
            if let Some(at) = at.filter(|&at| self.places[at].joined) {
                let (when, reign) = (self.soon(15), self.reign);
                push(&mut self.places[at].down, when, reign, Said::Ordered(order));
            }
        }
    }

    pub(super) fn keep_book(&mut self) {
        let now = self.now;
        for at in 0..self.places.len() {
            if self.places[at].dials.is_some_and(|when| when <= now) {
                self.cut(at, None);
                let (when, reign) = (self.soon(15), self.reign);
                push(&mut self.places[at].down, when, reign, Said::Led);
            }
            while let Some((_, reign, said)) = pop(&mut self.places[at].up, |s| s.0 <= now) {
                if reign == self.reign {
                    self.note(at, said);
                }
            }
        }
        let known: Vec<(Instant, MemberId)> = {
            self.deaths
                .extract_if(.., |(died, _)| now >= *died + NOTICED)
        }
        .collect();
        let wait = Duration::from_millis(LONGEST);
        for (died, member) in known {
            let orders = self.book.ended(&member, died, wait, now);
            self.send(orders);
        }
        let heard = self.places.iter().all(|p| p.gate.is_none() || p.joined);
        if !self.released && heard && self.deaths.is_empty() {
            self.released = true;
            let died = self.last_death.map(|died| (died, wait));
            let (since, wait) = died.unwrap_or((now, Duration::ZERO));
            let orders = self.book.release_unclaimed(since, wait, now);
            self.send(orders);
        }
        if self.book.wake().is_some_and(|at| at <= now) {
            let orders = self.book.tick(now);
            self.send(orders);
        }
    }

    fn note(&mut self, at: usize, said: Said) {
        let member = self.places[at].gate.as_ref().expect("it lives").id.clone();
        let orders = match said {
            Said::Holds(holds) => {
                self.places[at].joined = true;
                self.book.join(&member, &holds, self.now)
            }
            Said::Word(Word::Returned(slots)) => self.book.returned(&member, &slots, self.now),
            Said::Word(Word::Report(report)) => self.book.report(&member, &report, self.now),
            Said::Led | Said::Ordered(_) => unreachable!("a leader says that"),
        };
        self.send(orders);
    }
}
