//! Gates that live, are killed and are started again beside the same load, under a clock that is
//! turned by hand. What is asked for is there after its start time.

use std::path::Path;
use std::time::{Duration, Instant};

use holdgate::admission::meter::Report;
use holdgate::autoscale::{Around, Measured, Memory, Spec, Steering};
use holdgate::config::{Overrides, load_text};
use holdgate::revision::{ContainerConcurrency, Scaling};

/// Milliseconds.
pub(crate) type Time = u64;
pub(crate) const SECOND: Time = 1000;
/// Between two looks at the load.
pub(crate) const STEP: Time = 100;
/// How often that is in a second.
const LOOKS: f64 = 10.0;
pub(crate) const WINDOW: Time = 60 * SECOND;
const END: Time = 500 * SECOND;
pub(crate) const DECIDE_EVERY: Time = 2 * SECOND;
/// How often what is no news is written down.
const WRITE_EVERY: Time = 10 * SECOND;

/// Requests in flight over time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    Steady(u32),
    /// From one number to another between two moments.
    Ramp {
        from: u32,
        to: u32,
        begin: Time,
        end: Time,
    },
    /// So many, and now and then so many more for some seconds.
    Bursts {
        base: u32,
        more: u32,
        every: Time,
        lasts: Time,
    },
}

impl Load {
    fn at(self, time: Time) -> u32 {
        match self {
            Self::Steady(n) => n,
            Self::Ramp {
                from,
                to,
                begin,
                end,
            } => {
                let gone = time.clamp(begin, end) - begin;
                let (from, to) = (i64::from(from), i64::from(to));
                let (gone, whole) = (gone.cast_signed(), (end - begin).cast_signed());
                u32::try_from(from + (to - from) * gone / whole).expect("between the two")
            }
            Self::Bursts {
                base,
                more,
                every,
                lasts,
            } => base + if time % every < lasts { more } else { 0 },
        }
    }
}

/// The gate is gone from one moment to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kill {
    pub(crate) at: Time,
    pub(crate) away: Time,
}

impl Kill {
    pub(crate) fn back(self) -> Time {
        self.at + self.away
    }
}

pub(crate) struct World {
    pub(crate) load: Load,
    /// When it is away, in the life that is killed.
    kills: Vec<Kill>,
    spec: Spec,
    zero: Instant,
    /// From wish to readiness.
    start: Time,
}

/// One gate, from its start to its end.
pub(crate) struct Life<'a> {
    world: &'a World,
    begin: Time,
    /// The first decision after a restart is made with the first measurement.
    offset: Time,
    pub(crate) steering: Steering,
    ready_at: Vec<Time>,
    idle_since: Option<Time>,
    sum: f64,
    pub(crate) desired: u32,
    pub(crate) written: Memory,
    pub(crate) written_at: Time,
}

impl<'a> Life<'a> {
    pub(crate) fn new(world: &'a World, begin: Time, file: Option<&(Memory, Time)>) -> Self {
        let now = world.instant(begin);
        let (written, written_at) = file.cloned().unwrap_or_default();
        let steering = match file {
            Some((memory, at)) => {
                let away = Duration::from_millis(begin - at);
                Steering::recall(&world.spec, memory, away, now)
            }
            None => Steering::new(&world.spec, now),
        };
        let idle_since = (world.load_at(begin) == 0).then_some(begin);
        let mut life = Self {
            world,
            begin,
            offset: if file.is_some() { SECOND } else { 0 },
            steering,
            ready_at: Vec::new(),
            idle_since,
            sum: 0.0,
            desired: 0,
            written,
            written_at,
        };
        life.decide(begin);
        life
    }

    pub(crate) fn live_until(&mut self, end: Time, told: &mut Vec<(Time, u32)>) {
        told.push((self.begin, self.desired));
        let mut time = self.begin;
        while time + STEP <= end {
            time += STEP;
            let here = self.world.load_at(time);
            self.idle_since = match (here, self.idle_since) {
                (0, None) => Some(time),
                (0, since) => since,
                _ => None,
            };
            self.sum += f64::from(here) / LOOKS;
            let now = self.world.instant(time);
            if self.steering.poke(here, now) {
                self.decide(time);
            }
            if (time - self.begin).is_multiple_of(SECOND) {
                let average_concurrency = std::mem::take(&mut self.sum);
                let report = Report {
                    average_concurrency,
                    requests: 0,
                };
                let gauged = Vec::new();
                self.steering.record(&Measured { report, gauged }, now);
            }
            if (time - self.begin + self.offset).is_multiple_of(DECIDE_EVERY) {
                self.decide(time);
                told.push((time, self.desired));
            }
        }
    }

    fn decide(&mut self, time: Time) {
        let ready = self.ready_at.iter().filter(|at| **at <= time).count();
        let (ready, all) = (count(ready), count(self.ready_at.len()));
        let around = Around {
            ready,
            starting: all - ready,
            // No busy replica is kept for its own sake: the averages alone are to hold it.
            busy: 0,
            idle_since: self.idle_since.map(|at| self.world.instant(at)),
            typical_start: None,
            shortage: None,
            scheduled: None,
            unheard: false,
        };
        let decision = self.steering.decide(&around, self.world.instant(time));
        if let Some(replicas) = decision.replicas {
            let ready_at = time + self.world.start;
            self.ready_at.resize(replicas as usize, ready_at);
            self.steering.note_asked(replicas);
            self.desired = replicas;
        }
        let memory = self.steering.remember(self.world.instant(time));
        let is_due = memory.is_alive() && time - self.written_at >= WRITE_EVERY;
        if memory.is_news_after(&self.written) || is_due {
            (self.written, self.written_at) = (memory, time);
        }
    }
}

impl World {
    /// What came and went between the last decision of one life and the first measurement of the
    /// next, nobody can know of: for that long no burst begins or ends, in neither life.
    fn load_at(&self, time: Time) -> u32 {
        let still = |kill: &Kill| {
            let since = kill.at / DECIDE_EVERY * DECIDE_EVERY;
            let until = kill.back() + SECOND;
            time.clamp(since, until) - since
        };
        match self.load {
            Load::Bursts { .. } => self
                .load
                .at(time - self.kills.iter().map(still).sum::<Time>()),
            load => load.at(time),
        }
    }

    fn instant(&self, time: Time) -> Instant {
        self.zero + Duration::from_millis(time)
    }

    /// What was wanted at each decision, with these kills on the way.
    pub(crate) fn run(&self, kills: &[Kill]) -> Vec<(Time, u32)> {
        let mut told = Vec::new();
        let mut life = Life::new(self, 0, None);
        for kill in kills {
            life.live_until(kill.at, &mut told);
            let file = (life.written, life.written_at);
            life = Life::new(self, kill.back(), Some(&file));
        }
        life.live_until(END, &mut told);
        told
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).expect("few replicas")
}

/// The settings as nobody has touched them, without a cap.
fn scaling() -> Scaling {
    let text = "revisions: [{ name: m, process: { command: [m] } }]";
    let config = load_text(Path::new("m.yaml"), text, &Overrides::default());
    let revision = config.expect("it can be read").revisions.remove(0);
    Scaling {
        max_replicas: None,
        ..revision.spec.scaling
    }
}

pub(crate) fn world(load: Load, kills: &[Kill], start: Time, target: f64) -> World {
    let scaling = Scaling {
        target: Some(target),
        ..scaling()
    };
    World {
        load,
        kills: kills.to_vec(),
        spec: Spec::new(scaling, ContainerConcurrency::UNLIMITED),
        zero: tokio::time::Instant::now().into_std(),
        start: start * SECOND,
    }
}
