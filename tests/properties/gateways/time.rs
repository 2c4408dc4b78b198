//! Time passes in a town: requests end, what is said arrives, gateways come to life.

use std::time::{Duration, Instant};

use holdgate::shares::MemberId;

use super::gate::Gate;
use super::{Line, NOTICED, STEP, Said, Town, VecDeque};

impl Town {
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while self.now < end {
            self.now += STEP;
            self.step();
            self.check();
        }
    }

    fn step(&mut self) {
        let now = self.now;
        self.ghosts.retain(|ghost| ghost.ends > now);
        for at in 0..self.places.len() {
            self.live(at);
        }
        if self.leader.is_none() && now >= self.leads_from {
            let alive: Vec<usize> = {
                let alive = |at: &usize| self.places[*at].gate.is_some();
                (0..self.places.len()).filter(alive).collect()
            };
            if !alive.is_empty() {
                let turn = self.dice(alive.len() as u64);
                self.lead(alive[usize::try_from(turn).expect("few")]);
            }
        }
        if self.leader.is_some() {
            self.keep_book();
        }
    }

    /// Who stands there now, or stood there last.
    pub(super) fn id(&self, at: usize) -> MemberId {
        let (pod, life) = (format!("g{at}").into(), self.places[at].lives);
        MemberId { pod, life }
    }

    fn live(&mut self, at: usize) {
        let (now, until) = (self.now, self.until());
        if self.places[at].gate.is_none() && now >= self.places[at].born {
            let place = &mut self.places[at];
            place.lives += 1;
            place.sees.clear();
            (place.reign, place.dials) = (0, Some(now));
            let id = self.id(at);
            self.places[at].gate = Some(Gate::new(id, &self.view, now));
        }
        while let Some((_, view)) = pop(&mut self.places[at].sees, |s| s.0 <= now) {
            if let Some(gate) = &mut self.places[at].gate {
                gate.see(view, now, until);
            }
            if self.leader == Some(at) {
                self.tell_book(at);
            }
        }
        let Some(gate) = &mut self.places[at].gate else {
            return;
        };
        gate.finish(now, until);
        let mut words = Vec::new();
        while let Some((_, reign, said)) = pop(&mut self.places[at].down, |s| s.0 <= now) {
            words.extend(self.hear(at, reign, said));
        }
        let place = &mut self.places[at];
        let gate = place.gate.as_mut().expect("it lives");
        // What is said while nobody hears it is said in what is held.
        if place.joined || place.reign == self.reign {
            words.extend(gate.say(now).into_iter().map(Said::Word));
        }
        let empty = place.gate.as_ref().is_some_and(Gate::has_left);
        words.extend(empty.then(|| self.end(at)));
        for said in words {
            let (when, reign) = (self.soon(15), self.places[at].reign);
            push(&mut self.places[at].up, when, reign, said);
        }
    }

    /// A gateway in which nothing runs ends, which is seen in any case.
    fn end(&mut self, at: usize) -> Said {
        let place = &mut self.places[at];
        let gate = place.gate.take().expect("it was there");
        place.born = self.now + NOTICED;
        place.down.clear();
        self.deaths.push((self.now, gate.id.clone()));
        if self.leader == Some(at) {
            self.depose();
        }
        Said::Left(gate.id)
    }

    /// A member hears what a leader says.
    fn hear(&mut self, at: usize, reign: u64, said: Said) -> Vec<Said> {
        let (now, until) = (self.now, self.until());
        let place = &mut self.places[at];
        let gate = place.gate.as_mut().expect("it lives");
        match said {
            Said::Led if reign >= place.reign => {
                place.reign = reign;
                place.down.retain(|(_, said_in, _)| *said_in >= reign);
                vec![Said::Holds(gate.holds())]
            }
            Said::Ordered(order) if reign == place.reign => {
                let words = gate.obey(order, now, until);
                words.into_iter().map(Said::Word).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// What is said arrives in the order in which it was.
pub(super) fn push(line: &mut Line, when: Instant, reign: u64, said: Said) {
    let last = line.back().map_or(when, |(at, _, _)| *at);
    line.push_back((when.max(last), reign, said));
}

/// The first in line, if its time has come.
pub(super) fn pop<T>(line: &mut VecDeque<T>, due: impl FnOnce(&T) -> bool) -> Option<T> {
    let first = line.front().filter(|first| due(first));
    first.is_some().then(|| line.pop_front()).flatten()
}
