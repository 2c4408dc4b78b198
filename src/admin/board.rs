//! What the admin port looks at, and one look at it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::admission::Reading;
use crate::autoscale::{Ahead, Averages, Spec};
use crate::autoscaler::{Gauged, around};
use crate::decisions::{Decisions, Entry};
use crate::explain::Situation;
use crate::guests::Visit;
use crate::ports::{Missing, World};
use crate::proxy::{Registry, Revision};
use crate::revision::{RevisionId, ScaleMetric};
use crate::schedule::Schedule;
use crate::sync::{now, wall};
use crate::throttler::Sample;

/// How far a schedule is read ahead to be told.
const HOURS_AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

/// How many requests of a revision are told one by one.
const MOST_VISITS: usize = 5;

/// Everything the admin port reads: the data path's revisions, and what steers each of them.
#[derive(Debug)]
pub struct Board {
    registry: Arc<Registry>,
    watched: RwLock<BTreeMap<RevisionId, Watched>>,
    told: RwLock<BTreeMap<RevisionId, Told>>,
    ready: AtomicBool,
}

/// What steers one revision.
#[derive(Clone, Debug)]
pub struct Watched {
    /// What is there.
    pub world: watch::Receiver<World>,
    /// What was decided.
    pub decisions: Arc<Decisions>,
    /// By which settings.
    pub spec: watch::Receiver<Spec>,
    /// What was last read of the replicas themselves.
    pub gauged: watch::Receiver<Gauged>,
    /// At which hours there is a floor.
    pub schedule: watch::Receiver<Schedule>,
}

/// What a person should know of a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What of its settings could not be understood; those before them hold.
    pub complaints: Vec<String>,
    /// Whatever else, each a sentence.
    pub remarks: Vec<String>,
}

impl Board {
    /// Looks at these revisions; not ready yet.
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            watched: RwLock::default(),
            told: RwLock::default(),
            ready: AtomicBool::new(false),
        }
    }

    /// Watches what steers a revision, in the place of what was watched before.
    pub fn insert(&self, id: RevisionId, watched: Watched) {
        self.watched.write().insert(id, watched);
    }

    /// Watches a revision no longer.
    pub fn remove(&self, id: &RevisionId) {
        self.watched.write().remove(id);
        self.told.write().remove(id);
    }

    /// What a person should know of a revision, in the place of what was told before. It is told also
    /// of one that is not there, since its settings were never understood.
    pub fn tell(&self, id: &RevisionId, told: Told) {
        if told == Told::default() {
            self.told.write().remove(id);
        } else {
            self.told.write().insert(id.clone(), told);
        }
    }

    /// What is told of those that are not there.
    pub(super) fn unread(&self) -> Vec<(RevisionId, Told)> {
        let told = self.told.read().clone();
        let unread = |(id, _): &(RevisionId, Told)| self.registry.by_name(id).is_none();
        told.into_iter().filter(unread).collect()
    }

    /// Whether requests should be sent here: not before it listens, not while it drains.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The names of all revisions.
    pub(super) fn names(&self) -> Vec<RevisionId> {
        let all = self.registry.all();
        all.iter()
            .map(|revision| revision.spec.id.clone())
            .collect()
    }

    /// Every revision as it is now, by name.
    pub(super) fn all(&self) -> Vec<Present> {
        let all = self.registry.all().into_iter();
        all.map(|revision| self.look(revision)).collect()
    }

    /// One revision as it is now.
    pub(super) fn present(&self, id: &RevisionId) -> Option<Present> {
        self.registry
            .by_name(id)
            .map(|revision| self.look(revision))
    }

    fn look(&self, revision: Arc<Revision>) -> Present {
        // Cloned, so that nobody who comes or goes waits for a report.
        let watched = self.watched.read().get(&revision.spec.id).cloned();
        let steered = watched.map(|watched| Steered {
            spec: watched.spec.borrow().clone(),
            world: watched.world.borrow().clone(),
            gauged: watched.gauged.borrow().clone(),
            schedule: watched.schedule.borrow().clone(),
            last: watched.decisions.last(),
            decisions: watched.decisions,
        });
        let (here, visits) = revision.throttler.guests().oldest(MOST_VISITS);
        Present {
            reading: revision.throttler.read(),
            sample: revision.throttler.glance(),
            here,
            visits,
            told: self.told.read().get(&revision.spec.id).cloned(),
            revision,
            steered,
            now: now(),
        }
    }
}

/// One revision at one moment.
#[derive(Debug)]
pub(super) struct Present {
    /// When that is.
    pub(super) now: Instant,
    /// Its settings and what is counted.
    pub(super) revision: Arc<Revision>,
    /// Who waits and who is served.
    pub(super) reading: Reading,
    /// The present demand.
    pub(super) sample: Sample,
    /// How many requests are here, also for clients that have left.
    pub(super) here: usize,
    /// Those that came first.
    pub(super) visits: Vec<Visit>,
    /// `None` if nothing steers it.
    pub(super) steered: Option<Steered>,
    /// `None` where there is nothing to know.
    pub(super) told: Option<Told>,
}

/// What steers a revision, at one moment.
#[derive(Debug)]
pub(super) struct Steered {
    pub(super) spec: Spec,
    pub(super) world: World,
    pub(super) gauged: Gauged,
    pub(super) schedule: Schedule,
    pub(super) last: Option<Entry>,
    pub(super) decisions: Arc<Decisions>,
}

/// One metric that a revision is steered by, at one moment.
#[derive(Debug)]
pub(super) struct Metric<'a> {
    pub(super) of: &'a ScaleMetric,
    /// What one replica should carry.
    pub(super) target: f64,
    /// As the last decision saw them.
    pub(super) averages: Option<Averages>,
    /// Why it has no value at this moment.
    pub(super) missing: Option<&'a Missing>,
}

impl Steered {
    /// Everything it is steered by, the first metric first.
    pub(super) fn metrics(&self) -> impl Iterator<Item = Metric<'_>> {
        self.spec.metrics().map(|(metric, target)| {
            let seen = self
                .last
                .iter()
                .flat_map(|last| &last.decision.seen.readings);
            let mut seen = seen.filter(|reading| reading.metric == *metric);
            Metric {
                of: metric,
                target: target.aimed,
                averages: seen.next().and_then(|reading| reading.averages),
                missing: self.gauged.of(metric).and_then(|read| read.as_ref().err()),
            }
        })
    }

    /// Which of them could not be read, and why; those that have nobody to be read of are fine.
    fn unread(&self) -> Vec<(String, String)> {
        let why = |metric: Metric<'_>| match metric.missing {
            Some(Missing::Failed(why)) => Some((metric.of.as_str().to_owned(), why.clone())),
            Some(Missing::NotYet) | None => None,
        };
        self.metrics().filter_map(why).collect()
    }

    /// When the schedule asks for another number, if that is soon.
    fn hours_until(&self, now: Instant) -> Option<Instant> {
        let wall = wall();
        let at = self.schedule.changes_within(wall, HOURS_AHEAD)?;
        now.checked_add(at.duration_since(wall).ok()?)
    }

    /// The one of them that asked for most.
    pub(super) fn steering(&self) -> Option<Metric<'_>> {
        let by = self.last.as_ref().map(|last| &last.decision.metric);
        let steering = self.metrics().find(|metric| Some(metric.of) == by);
        steering.or_else(|| self.metrics().next())
    }
}

impl Present {
    /// Everything known of it, to be explained; `None` if nothing steers it.
    pub(super) fn situation(self) -> Option<Situation> {
        let steered = self.steered?;
        let (unread, hours_until) = (steered.unread(), steered.hours_until(self.now));
        let Steered {
            spec,
            world,
            last,
            decisions,
            ..
        } = steered;
        let scheduled = last.as_ref().and_then(|last| last.decision.seen.scheduled);
        let around = around(&world, &self.sample, scheduled);
        let steering = decisions.steering();
        let in_flight = self.sample.in_flight;
        let ahead = steering.map(|steering| Ahead::of(&steering, &around, in_flight, self.now));
        Some(Situation {
            now: self.now,
            spec,
            entry: last,
            desired: decisions.desired_since(),
            around,
            here: self.here,
            visits: self.visits,
            ahead,
            outage: world.outage.map(|outage| outage.detail.clone()),
            diagnosis: world.diagnosis,
            unread,
            hours_until,
        })
    }
}
