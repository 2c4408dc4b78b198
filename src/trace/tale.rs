//! Puts events together again into requests, replicas and turns of the autoscaler. An event of
//! somebody whose arrival was not recorded is passed over.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::admission::{Class, Tenant};

use super::{
    Cause, Decided, Ending, Event, Fate, Moment, Replica, Request, RevisionTrace, Standing, Step,
    Tick,
};

/// What is known so far of one revision.
pub(super) struct Tale {
    trace: RevisionTrace,
    /// Where the requests are that are not over, by their tickets.
    open: HashMap<u64, usize>,
    turn: NonZeroU32,
    length: u64,
    sampled: Option<Sampled>,
    /// On what terms the next request comes.
    standing: Standing,
}

/// What the autoscaler saw last of the requests.
struct Sampled {
    at: Moment,
    /// The average and the arrivals, if they were measured.
    measured: Option<(f64, u64)>,
    in_flight: u32,
    idle_since: Option<u64>,
}

impl Tale {
    pub(super) fn new(name: String) -> Self {
        Self {
            trace: RevisionTrace {
                name,
                ..RevisionTrace::default()
            },
            open: HashMap::new(),
            turn: NonZeroU32::MIN,
            length: 0,
            sampled: None,
            standing: Standing::default(),
        }
    }

    /// Its last moment.
    pub(super) const fn length(&self) -> Duration {
        Duration::from_nanos(self.length)
    }

    pub(super) fn finish(self) -> RevisionTrace {
        self.trace
    }

    /// The next event.
    pub(super) fn tell(&mut self, nanos: u64, event: Event) {
        let at = Moment::new(Duration::from_nanos(nanos), self.turn);
        self.turn = self.turn.saturating_add(1);
        self.length = self.length.max(nanos);
        match event {
            Event::Replica { id, step } => self.step(id, step, at),
            Event::Measured {
                average_concurrency,
                requests,
                in_flight,
                idle_since,
            } => self.sample(
                at,
                Some((average_concurrency, requests)),
                in_flight,
                idle_since,
            ),
            Event::Looked {
                in_flight,
                idle_since,
            } => self.sample(at, None, in_flight, idle_since),
            Event::Turned { now, began, gauged } => self.turned(now, began, gauged),
            Event::Decided(decided) => self.decided(decided),
            Event::Opened => self.trace.opened = Some(at),
            Event::Changed => self.trace.changes.push(at),
            Event::Recalled(recalled) => self.trace.recalled = Some(*recalled),
            Event::Lost(events) => {
                self.trace.lost += events;
                self.standing = Standing::default();
            }
            Event::Terms {
                class,
                tenant,
                deadline,
            } => {
                let after = |(by, whole)| (Duration::from_nanos(by).saturating_sub(at.at()), whole);
                self.standing = Standing {
                    class: Class::numbered(class),
                    tenant: Tenant(tenant),
                    within: deadline.map(after),
                };
            }
            of_request => self.request(at, &of_request),
        }
    }

    fn request(&mut self, at: Moment, event: &Event) {
        match *event {
            Event::Admitted {
                ticket,
                announced,
                replica,
            } => {
                let request = self.arrive(ticket, announced, at);
                request.seated = Some(at);
                request.replica = Some(replica);
            }
            Event::Queued { ticket, announced } => {
                self.arrive(ticket, announced, at);
            }
            Event::TurnedAway { announced, reason } => self.trace.requests.push(Request {
                over: Some(at),
                fate: Fate::Refused(reason),
                standing: std::mem::take(&mut self.standing),
                ..arrived(announced, at)
            }),
            Event::HeldMore { ticket, bytes } => {
                self.of(ticket, |request| request.held_more += bytes);
            }
            Event::Seated { ticket, replica } => self.of(ticket, |request| {
                request.seated = Some(at);
                request.replica = Some(replica);
            }),
            Event::Rebuffed { ticket } => self.of(ticket, |request| {
                request.seated = None;
                request.replica = None;
                request.rebuffs += 1;
            }),
            Event::Over { ticket, done, fate } => {
                self.of(ticket, |request| {
                    request.over = Some(at);
                    request.fate = fate;
                    request.vacated = request.seated.filter(|_| done).map(|_| at);
                });
                if done {
                    self.open.remove(&ticket);
                }
            }
            Event::Vacated { ticket } => {
                self.of(ticket, |request| request.vacated = Some(at));
                self.open.remove(&ticket);
            }
            _ => unreachable!("the others are told apart before"),
        }
    }

    fn arrive(&mut self, ticket: u64, announced: u64, at: Moment) -> &mut Request {
        let requests = &mut self.trace.requests;
        self.open.insert(ticket, requests.len());
        requests.push(Request {
            standing: std::mem::take(&mut self.standing),
            ..arrived(announced, at)
        });
        requests.last_mut().expect("it was just added")
    }

    fn of(&mut self, ticket: u64, change: impl FnOnce(&mut Request)) {
        if let Some(&index) = self.open.get(&ticket) {
            change(&mut self.trace.requests[index]);
        }
    }

    fn step(&mut self, id: u64, step: Step, at: Moment) {
        let replicas = &mut self.trace.replicas;
        let known = replicas.iter().rposition(|replica| replica.id == id);
        let index = known.unwrap_or_else(|| {
            replicas.push(launched(id, at));
            replicas.len() - 1
        });
        let replica = &mut replicas[index];
        match step {
            Step::Launched => replica.launched = at,
            Step::Ready(phases) => {
                replica.phases = Some(phases);
                replica.ready = Some(at);
            }
            Step::Listed => {
                replica.listed.get_or_insert(at);
                replica.retired = None;
            }
            Step::Retired => {
                replica.retired.get_or_insert(at);
            }
            Step::Gone(ending) => {
                replica.gone = Some(at);
                replica.ending = ending;
            }
        }
    }

    fn sample(
        &mut self,
        at: Moment,
        measured: Option<(f64, u64)>,
        in_flight: u32,
        idle_since: Option<u64>,
    ) {
        self.sampled = Some(Sampled {
            at,
            measured,
            in_flight,
            idle_since,
        });
    }

    fn turned(&mut self, now: u64, began: bool, gauged: Vec<Option<f64>>) {
        let Some(sampled) = &self.sampled else {
            return;
        };
        let now = Duration::from_nanos(now);
        if began {
            self.trace.epoch = Some(Moment::new(now, sampled.at.turn));
        }
        let cause = match sampled.measured {
            Some((average_concurrency, requests)) => Cause::Measured {
                average_concurrency,
                requests,
                gauged,
            },
            None if began => Cause::Began,
            None => Cause::Poked,
        };
        self.trace.ticks.push(Tick {
            sampled: sampled.at,
            now,
            cause,
            in_flight: sampled.in_flight,
            idle_since: sampled.idle_since.map(Duration::from_nanos),
            decided: None,
        });
    }

    fn decided(&mut self, decided: Option<Box<Decided>>) {
        if let Some(tick) = self.trace.ticks.last_mut() {
            tick.decided = decided.map(|decided| *decided);
        }
    }
}

const fn arrived(announced: u64, at: Moment) -> Request {
    Request {
        arrived: at,
        standing: Standing {
            class: Class::Default,
            tenant: Tenant::NOBODY,
            within: None,
        },
        announced,
        held_more: 0,
        seated: None,
        replica: None,
        over: None,
        vacated: None,
        rebuffs: 0,
        fate: Fate::Open,
    }
}

const fn launched(id: u64, at: Moment) -> Replica {
    Replica {
        id,
        launched: at,
        phases: None,
        ready: None,
        listed: None,
        retired: None,
        gone: None,
        ending: Ending::Running,
    }
}
