//! A revision that is steered for a while from noon on, and then explained.

use std::time::{Duration, Instant};

use holdgate::admission::meter::Report;
use holdgate::autoscale::{Ahead, Around, Measured, Shortage, Spec, Steering, TypicalPhases};
use holdgate::decisions::Decisions;
use holdgate::explain::{Explanation, Situation, Wall, explain};
use holdgate::guests::{Stage, Visit};
use holdgate::revision::{ContainerConcurrency, ReplicaId, Scaling};
use jiff::civil::date;
use jiff::tz::TimeZone;

use crate::autoscale::scaling;
use crate::clock::Clock;

/// Steered second by second; its replicas come as they are asked for, as far as they can.
pub(super) struct Scene {
    clock: Clock,
    second: u32,
    steering: Steering,
    decisions: Decisions,
    idle_since: Option<Instant>,
    started: Vec<u32>,
    visits: Vec<Visit>,
    /// Seconds that a start takes.
    pub(super) start: u32,
    /// Replicas that answer something; `None` is as many as there are requests.
    pub(super) busy: Option<u32>,
    /// Another gateway is not heard.
    pub(super) unheard: bool,
    /// More than so many cannot come, by what.
    pub(super) most: Option<(u32, Shortage)>,
    pub(super) scheduled: Option<u32>,
    /// Per second, while somebody is here.
    pub(super) arrivals: u64,
    /// What is read of the replicas.
    pub(super) gauged: Vec<Option<f64>>,
    pub(super) outage: Option<String>,
    pub(super) unread: Vec<(String, String)>,
    /// The second at which the schedule asks for another number.
    pub(super) hours_until: Option<u32>,
    pub(super) typical_phases: TypicalPhases,
    /// The second at which the next replica is likely to be ready.
    pub(super) expected: Option<u32>,
}

impl Scene {
    /// Noon, with the defaults but for a change.
    pub(super) fn new(change: impl FnOnce(&mut Scaling)) -> Self {
        let mut scaling = scaling();
        change(&mut scaling);
        let (clock, spec) = (
            Clock::start(),
            Spec::new(scaling, ContainerConcurrency::UNLIMITED),
        );
        Self {
            clock,
            second: 0,
            steering: Steering::new(&spec, clock.at(0.0)),
            decisions: Decisions::default(),
            idle_since: Some(clock.at(0.0)),
            started: Vec::new(),
            visits: Vec::new(),
            start: 0,
            busy: None,
            unheard: false,
            most: None,
            scheduled: None,
            arrivals: 0,
            gauged: Vec::new(),
            outage: None,
            unread: Vec::new(),
            hours_until: None,
            typical_phases: TypicalPhases::default(),
            expected: None,
        }
    }

    fn at(&self, second: u32) -> Instant {
        self.clock.at(f64::from(second))
    }

    /// So many requests are here until a second.
    pub(super) fn load(mut self, load: u32, until: u32) -> Self {
        while self.second < until {
            self.idle_since = match (load, self.idle_since) {
                (0, None) => Some(self.at(self.second)),
                (0, since) => since,
                _ => None,
            };
            self.second += 1;
            let report = Report {
                average_concurrency: f64::from(load),
                requests: if load > 0 { self.arrivals } else { 0 },
            };
            let (gauged, now) = (self.gauged.clone(), self.at(self.second));
            self.steering.record(&Measured { report, gauged }, now);
            if self.second.is_multiple_of(2) {
                self.decide(load);
            }
        }
        self
    }

    fn decide(&mut self, load: u32) {
        let now = self.at(self.second);
        let decision = self.steering.decide(&self.around(load), now);
        if let Some(replicas) = decision.replicas {
            self.steering.note_asked(replicas);
            let can = self.most.map_or(replicas, |(most, _)| most.min(replicas));
            let can = usize::try_from(can).expect("few");
            self.started.resize(can, self.second);
        }
        self.decisions.keep(decision);
    }

    fn around(&self, load: u32) -> Around {
        let is_ready = |begun: &&u32| self.second >= *begun + self.start;
        let ready = self.started.iter().filter(is_ready).count();
        let count = |n: usize| u32::try_from(n).expect("few");
        let (ready, all) = (count(ready), count(self.started.len()));
        Around {
            ready,
            starting: all - ready,
            busy: self.busy.unwrap_or(load).min(ready),
            idle_since: self.idle_since,
            typical_start: (self.start > 0).then(|| Duration::from_secs(self.start.into())),
            shortage: self.most.map(|(_, shortage)| shortage),
            scheduled: self.scheduled,
            unheard: self.unheard,
        }
    }

    /// The gate was away for a moment and begins anew, with what it remembers; nothing runs.
    pub(super) fn restart(mut self) -> Self {
        let (now, spec) = (self.at(self.second), self.steering.spec().clone());
        let memory = self.steering.remember(now);
        self.steering = Steering::recall(&spec, &memory, Duration::from_secs(1), now);
        self.decisions = Decisions::default();
        self.idle_since = Some(now);
        self.started.clear();
        self
    }

    /// Goes on with changed settings.
    pub(super) fn adopt(mut self, change: impl FnOnce(&mut Scaling)) -> Self {
        let mut scaling = self.steering.spec().scaling.clone();
        change(&mut scaling);
        let spec = Spec::new(scaling, ContainerConcurrency::UNLIMITED);
        self.steering.adopt(&spec, self.at(self.second));
        self
    }

    /// A request came at a second, and a replica has worked on it since.
    pub(super) fn visit(mut self, name: &str, second: u32, replica: u64) -> Self {
        let (since, replica) = (self.at(second), ReplicaId(replica));
        self.visits.push(Visit {
            ticket: None,
            name: name.to_owned(),
            arrived: since,
            stage: Stage::Answering { replica, since },
        });
        self
    }

    /// The client of the last of them has left at a second.
    pub(super) fn left(mut self, second: u32) -> Self {
        let since = self.at(second);
        let visit = self.visits.last_mut().expect("somebody came");
        if let Stage::Answering { replica, .. } = visit.stage {
            visit.stage = Stage::Abandoned { replica, since };
        }
        self
    }

    /// What had the last word, as metrics have it.
    pub(super) fn bound_by(&self) -> &'static str {
        let last = self.decisions.last();
        last.map_or("none", |entry| entry.decision.bound_by().as_str())
    }

    /// Explained, with so many requests here.
    pub(super) fn told(&self, load: u32) -> Explanation {
        let (now, around) = (self.at(self.second), self.around(load));
        let noon = date(2026, 3, 1).at(12, 0, 0, 0).to_zoned(TimeZone::UTC);
        let wall = Wall::new(self.at(0), noon.expect("a moment there was"));
        let situation = Situation {
            now,
            spec: self.steering.spec().clone(),
            entry: self.decisions.last(),
            desired: self.decisions.desired_since(),
            ahead: Some(Ahead::of(&self.steering, &around, load, now)),
            around,
            here: self.visits.len(),
            visits: self.visits.clone(),
            outage: self.outage.clone(),
            unmade: None,
            diagnosis: None,
            unread: self.unread.clone(),
            hours_until: self.hours_until.map(|second| self.at(second)),
            remarks: Vec::new(),
            on_their_way: Vec::new(),
            typical_phases: self.typical_phases,
            expected: self.expected.map(|second| self.at(second)),
        };
        explain(&situation, &wall)
    }
}
