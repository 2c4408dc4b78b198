//! The requests of one revision on their way: admitted or in line, answered, refused, left.

use std::time::{Duration, Instant};

use super::agenda::Event;
use super::load::Turns;
use super::requests::{Key, Request, Stage};
use super::site::{Scene, Site};
use super::workers::AFTER_REFUSAL;
use crate::admission::{Deadline, Grant, Left, Terms, Ticket, Verdict, deadline};
use crate::revision::OnDisconnect;
use crate::trace::Standing;

/// Why a request is over without an answer.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    QueueFull,
    QueueTimeout,
    ColdStartTimeout,
    ColdStartFailed,
    BodyTooLarge,
    UpstreamTimeout,
    DeadlineUnmeetable,
}

/// What a request brings along.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wants {
    /// Bytes of its body.
    pub(super) bytes: u64,
    /// When its client leaves.
    pub(super) patience: Option<Duration>,
    /// On what terms it comes.
    pub(super) standing: Standing,
}

impl Site {
    /// The next request of the load.
    pub(super) fn arrive_next(&mut self, scene: &mut Scene) {
        if let Some(arrival) = self.next_arrival() {
            self.expect_arrival(&mut scene.agenda);
            let request = Request {
                arrived: scene.agenda.now(),
                service: arrival.service,
                stream: arrival.stream,
                deadline: None,
                turns: arrival.turns,
                worker: None,
                stage: Stage::Arriving,
            };
            let wants = Wants {
                bytes: arrival.bytes,
                patience: arrival.patience,
                standing: arrival.standing,
            };
            self.arrive(request, wants, scene);
        }
    }

    pub(super) fn arrive(&mut self, mut request: Request, wants: Wants, scene: &mut Scene) {
        let Wants {
            bytes,
            patience,
            standing,
        } = wants;
        self.tally.requests += 1;
        if self.spec.max_body_bytes.is_some_and(|most| bytes > most) {
            return self.refuse(&request, Refusal::BodyTooLarge, scene);
        }
        if self.fleet.outage {
            self.admission.turn_away(scene.agenda.now());
            return self.refuse(&request, Refusal::ColdStartFailed, scene);
        }
        let (now, held) = (scene.agenda.now(), bytes.min(self.spec.queue.read_ahead));
        let terms = self.terms(standing, now);
        request.deadline = terms.deadline;
        match self.admission.arrive_on(held, now, || Ok(terms)) {
            Verdict::Admitted(_, seat) => {
                self.tally.admitted(Duration::ZERO);
                request.stage = Stage::Running(seat, now);
                let key = self.requests.add(request);
                // Who is answered before leaving never leaves.
                let leaves = patience.filter(|patience| *patience <= request.service);
                self.expect_leaving(key, leaves, request.turns, scene);
                self.expect_end(key, request, scene);
            }
            verdict @ (Verdict::Queued(ticket) | Verdict::QueuedInstead(ticket, _)) => {
                if let Verdict::QueuedInstead(_, other) = verdict {
                    self.give_way(other, scene);
                }
                request.stage = Stage::Waiting(ticket);
                let key = self.requests.add(request);
                self.expect_leaving(key, patience, request.turns, scene);
                let due = self.due_at(&request, now);
                self.expect_due(key, &request, due, scene);
                self.in_line(request.turns, scene);
            }
            Verdict::Refused(_) => self.refuse(&request, Refusal::QueueFull, scene),
            Verdict::Late(_) => self.refuse(&request, Refusal::DeadlineUnmeetable, scene),
        }
    }

    /// Its terms, as far as the settings take notice of them.
    fn terms(&mut self, standing: Standing, now: Instant) -> Terms {
        let within = standing.within.filter(|_| self.spec.wishes.deadlines);
        if within.is_some() {
            self.admission.expect(self.fleet.starts());
        }
        Terms {
            class: standing.class,
            tenant: standing.tenant,
            deadline: within.map(|(after, whole)| {
                let at = now + after;
                if whole {
                    Deadline::Whole(at)
                } else {
                    Deadline::Begun(at)
                }
            }),
        }
    }

    /// Another has its place.
    fn give_way(&mut self, ticket: Ticket, scene: &mut Scene) {
        let key = self.requests.called(ticket);
        if let Some(request) = self.requests.get(key).copied() {
            self.requests.remove(key);
            self.refuse(&request, Refusal::QueueFull, scene);
        }
    }

    /// When its wait ends at the latest, as things stand.
    fn due_at(&self, request: &Request, now: Instant) -> Instant {
        let due = deadline(&self.spec.queue, request.arrived, self.warm_since, now);
        let own = request.deadline.and_then(Deadline::ends_wait);
        own.map_or(due, |own| due.min(own))
    }

    /// One more waits. Where nothing serves, the autoscaler hears of it when it did; where that is
    /// not known, once everybody who comes at this moment has come.
    fn in_line(&mut self, turns: Turns, scene: &mut Scene) {
        let nothing_serves = self.admission.serving() == 0;
        self.tally.queued(self.admission.waiting(), nothing_serves);
        if nothing_serves {
            scene.places.stir();
        }
        if nothing_serves && self.poked.is_none() {
            let poke = self.beats.poke(scene.agenda.passed(), turns.arrived);
            self.poked = Some(poke);
            let (at, turn) = (poke.sampled, poke.turn);
            scene.agenda.at_turn(at, turn, self.index, Event::Poke);
        }
    }

    fn expect_leaving(
        &self,
        key: Key,
        patience: Option<Duration>,
        turns: Turns,
        scene: &mut Scene,
    ) {
        if let Some(patience) = patience {
            let (index, leave) = (self.index, Event::Leave(key));
            scene.agenda.after_turn(patience, turns.left, index, leave);
        }
    }

    fn expect_due(&self, key: Key, request: &Request, due: Instant, scene: &mut Scene) {
        let delay = due.saturating_duration_since(scene.agenda.now());
        let (index, due) = (self.index, Event::Due(key));
        scene
            .agenda
            .after_turn(delay, request.turns.left, index, due);
    }

    fn expect_end(&self, key: Key, request: Request, scene: &mut Scene) {
        let timeouts = &self.spec.timeouts;
        let limit = if request.stream {
            timeouts.stream
        } else {
            let all = [timeouts.total, timeouts.first_byte, timeouts.idle];
            all.into_iter().flatten().min()
        };
        let (index, service) = (self.index, request.service);
        let done = Event::Done(key);
        scene
            .agenda
            .after_turn(service, request.turns.done, index, done);
        if let Some(limit) = limit.filter(|limit| *limit < service) {
            let cut = Event::Cut(key);
            scene
                .agenda
                .after_turn(limit, request.turns.left, index, cut);
        }
    }

    pub(super) fn seat_all(&mut self, grants: Vec<Grant>, scene: &mut Scene) {
        for grant in grants {
            self.seat(grant, scene);
        }
    }

    fn seat(&mut self, grant: Grant, scene: &mut Scene) {
        let now = scene.agenda.now();
        let key = self.requests.called(grant.ticket);
        if let Some(request) = self.requests.get(key) {
            request.stage = Stage::Running(grant.seat, now);
            let request = *request;
            self.tally.admitted(now - request.arrived);
            self.expect_end(key, request, scene);
        }
    }

    /// The replica is done with a request.
    pub(super) fn done(&mut self, key: Key, scene: &mut Scene) {
        let now = scene.agenda.now();
        let Some(request) = self.requests.get(key).copied() else {
            return;
        };
        let left = match request.stage {
            Stage::Running(seat, since) => {
                self.tally.answered += 1;
                self.send_next(&request, Duration::ZERO, scene);
                self.admission.leave(seat, now - since, now)
            }
            Stage::Abandoned(seat) => self.admission.vacate(seat, now),
            Stage::Arriving | Stage::Waiting(_) => return,
        };
        self.requests.remove(key);
        self.pass_on(left, scene);
    }

    /// The client of a request leaves.
    pub(super) fn leave(&mut self, key: Key, scene: &mut Scene) {
        let now = scene.agenda.now();
        let Some(request) = self.requests.get(key).copied() else {
            return;
        };
        match request.stage {
            Stage::Waiting(ticket) => {
                self.admission.cancel(ticket, now);
                self.requests.remove(key);
            }
            Stage::Running(..) => self.give_up(key, request, scene),
            Stage::Arriving | Stage::Abandoned(_) => return,
        }
        self.tally.left += 1;
    }

    /// An answer takes longer than it may.
    pub(super) fn cut(&mut self, key: Key, scene: &mut Scene) {
        let Some(request) = self.requests.get(key).copied() else {
            return;
        };
        if matches!(request.stage, Stage::Running(..)) {
            self.refuse(&request, Refusal::UpstreamTimeout, scene);
            self.give_up(key, request, scene);
        }
    }

    /// Nobody waits for an answer any more. An event stream ends with its connection; a replica
    /// that has not begun to answer works on.
    fn give_up(&mut self, key: Key, request: Request, scene: &mut Scene) {
        let Stage::Running(seat, since) = request.stage else {
            return;
        };
        let now = scene.agenda.now();
        let ends = match self.spec.on_disconnect {
            OnDisconnect::Release => true,
            OnDisconnect::Auto => request.stream,
            OnDisconnect::Finish => false,
        };
        if ends {
            self.requests.remove(key);
            let left = self.admission.leave(seat, now - since, now);
            self.pass_on(left, scene);
        } else {
            self.admission.abandon(now);
            if let Some(request) = self.requests.get(key) {
                request.stage = Stage::Abandoned(seat);
            }
        }
    }

    /// A wait may have come to its end.
    pub(super) fn due(&mut self, key: Key, scene: &mut Scene) {
        let now = scene.agenda.now();
        let Some(request) = self.requests.get(key).copied() else {
            return;
        };
        let Stage::Waiting(ticket) = request.stage else {
            return;
        };
        let due = self.due_at(&request, now);
        if due > now {
            return self.expect_due(key, &request, due, scene);
        }
        self.admission.cancel(ticket, now);
        self.requests.remove(key);
        let own = request.deadline.and_then(Deadline::ends_wait);
        let refusal = match self.warm_since {
            _ if own.is_some_and(|own| own <= now) => Refusal::DeadlineUnmeetable,
            Some(_) => Refusal::QueueTimeout,
            None => Refusal::ColdStartTimeout,
        };
        self.refuse(&request, refusal, scene);
    }

    /// Nobody in line can be served.
    pub(super) fn dismiss(&mut self, scene: &mut Scene) {
        let now: Instant = scene.agenda.now();
        for ticket in self.admission.dismiss(now) {
            let key = self.requests.called(ticket);
            if let Some(request) = self.requests.get(key).copied() {
                self.requests.remove(key);
                self.refuse(&request, Refusal::ColdStartFailed, scene);
            }
        }
    }

    fn refuse(&mut self, request: &Request, why: Refusal, scene: &mut Scene) {
        let refused = &mut self.tally.refused;
        let count = match why {
            Refusal::QueueFull => &mut refused.queue_full,
            Refusal::QueueTimeout => &mut refused.queue_timeout,
            Refusal::ColdStartTimeout => &mut refused.cold_start_timeout,
            Refusal::ColdStartFailed => &mut refused.cold_start_failed,
            Refusal::BodyTooLarge => &mut refused.body_too_large,
            Refusal::UpstreamTimeout => &mut refused.upstream_timeout,
            Refusal::DeadlineUnmeetable => &mut refused.deadline_unmeetable,
        };
        *count += 1;
        self.send_next(request, AFTER_REFUSAL, scene);
    }

    fn pass_on(&mut self, left: Left, scene: &mut Scene) {
        if let Some(grant) = left.grant {
            self.seat(grant, scene);
        }
        if left.vacated {
            self.reconcile(scene);
        }
        if left.idled {
            scene.places.stir();
        }
    }
}
