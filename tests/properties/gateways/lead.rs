//! Who leads: the book, what comes to it and what it says.

use std::time::{Duration, Instant};

use holdgate::shares::{Book, MemberId, Order, Pod, Slots, UNLIMITED, Word};

use super::gate::pod;
use super::time::{pop, push};
use super::{Ghost, NOTICED, Said, TIMEOUT, Town};

impl Town {
    /// The book is gone with who kept it; what was said by it may still arrive.
    pub(super) fn depose(&mut self) {
        self.leader = None;
        (self.fell, self.leads_from) = (self.now, self.now + NOTICED);
        self.longest = None;
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
        // Who leads waits for what it knows of, whatever another did.
        self.ghosts.iter_mut().for_each(|g| g.given_up = false);
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
        let made = self.made.iter().filter(|(_, made)| **made > self.fell);
        let made: Vec<Pod> = made.map(|(&id, _)| pod(id)).collect();
        let mut orders = self.book.set(&ready, &retired, self.now);
        orders.extend(self.book.vouch(&made, self.now));
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
        let wait = self.wait();
        for (died, member) in known {
            self.give_up(died + wait, |ghost| ghost.of == member);
            let orders = self.book.ended(&member, died, wait, now);
            self.send(orders);
        }
        let heard = self.places.iter().all(|p| p.gate.is_none() || p.joined);
        if !self.released && heard && self.deaths.is_empty() {
            self.released = true;
            let died = self.last_death.map(|died| (died, wait));
            let (since, wait) = died.unwrap_or((now, Duration::ZERO));
            self.give_up(since + wait, |ghost| !ghost.given_up);
            let orders = self.book.release_unclaimed(since, wait, now);
            self.send(orders);
        }
        if self.book.wake().is_some_and(|at| at <= now) {
            let orders = self.book.tick(now);
            self.send(orders);
        }
    }

    /// How long the requests of one that has died may run on, as far as is known.
    fn wait(&self) -> Duration {
        let leader = self.leader.and_then(|at| self.places[at].gate.as_ref());
        let own = leader.and_then(|gate| gate.longest);
        let longest = self.longest.max(own);
        longest.unwrap_or(Duration::from_millis(TIMEOUT))
    }

    /// What no request was seen to outlast is not waited for longer.
    fn give_up(&mut self, at: Instant, whose: impl Fn(&Ghost) -> bool) {
        for ghost in self.ghosts.iter_mut().filter(|ghost| whose(ghost)) {
            (ghost.given_up, ghost.ends) = (true, ghost.ends.min(at));
        }
        self.ghosts.retain(|ghost| ghost.ends > self.now);
    }

    fn note(&mut self, at: usize, said: Said) {
        let member = self.id(at);
        let orders = match said {
            Said::Holds(holds) => {
                self.places[at].joined = true;
                self.book.join(&member, &holds, self.now)
            }
            Said::Word(Word::Returned(slots)) => self.book.returned(&member, &slots, self.now),
            Said::Word(Word::Report(report)) => {
                self.longest = self.longest.max(report.longest_service);
                self.book.report(&member, &report, self.now)
            }
            Said::Left(member) => {
                self.places[at].joined = false;
                self.book.left(&member, self.now)
            }
            Said::Led | Said::Ordered(_) => unreachable!("a leader says that"),
        };
        self.send(orders);
    }
}
