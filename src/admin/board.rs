//! What the admin port looks at, and one look at it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use tokio::sync::watch;

use super::certificates::Certificates;
use super::find::LeftAlone;
use super::gateways::Gateways;
use crate::admission::Reading;
use crate::autoscale::{Ahead, Averages, Spec};
use crate::autoscaler::{Gauged, around};
use crate::decisions::{Decisions, Entry};
use crate::explain::Situation;
use crate::guests::Visit;
use crate::loads::Book;
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
    left_alone: RwLock<Vec<LeftAlone>>,
    gateways: RwLock<Option<Gateways>>,
    certificates: RwLock<Certificates>,
    loads: Arc<Book>,
    report_token: RwLock<Option<Arc<str>>>,
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
    /// What else a person should know of it, each a sentence: settings that were not understood, a
    /// route that cuts requests short.
    pub remarks: watch::Receiver<Vec<String>>,
}

impl Board {
    /// Looks at these revisions; not ready yet.
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            watched: RwLock::default(),
            left_alone: RwLock::default(),
            gateways: RwLock::default(),
            certificates: RwLock::default(),
            loads: Arc::default(),
            report_token: RwLock::default(),
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
    }

    /// These, and no others, were found and are left alone. Who asks for one may be refused: then it is a
    /// revision of the registry as well, but none that is told of as one.
    pub fn set_left_alone(&self, mut all: Vec<LeftAlone>) {
        all.sort();
        *self.left_alone.write() = all;
    }

    /// How this gateway stands to the others.
    pub fn set_gateways(&self, gateways: Gateways) {
        *self.gateways.write() = Some(gateways);
    }

    /// The same; `None` where there never are others.
    pub(super) fn gateways(&self) -> Option<Gateways> {
        self.gateways.read().clone()
    }

    /// The certificates that clients are shown from now on.
    pub fn set_certificates(&self, certificates: Certificates) {
        *self.certificates.write() = certificates;
    }

    pub(super) fn certificates(&self) -> Certificates {
        self.certificates.read().clone()
    }

    /// From now on sidecars that know this token are heard.
    pub fn hear_reports(&self, token: &str) {
        *self.report_token.write() = Some(token.into());
    }

    pub(super) fn report_token(&self) -> Option<Arc<str>> {
        self.report_token.read().clone()
    }

    /// What sidecars have said.
    #[must_use]
    pub fn loads(&self) -> &Arc<Book> {
        &self.loads
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

    /// Every revision as it is now, by name, but for those that are left alone.
    pub(super) fn all(&self) -> Vec<Present> {
        let mut all = self.registry.all();
        all.retain(|revision| !self.is_left_alone(revision));
        all.into_iter()
            .map(|revision| self.look(revision))
            .collect()
    }

    /// Those that are left alone and were asked for all the same: only what they answered is counted.
    pub(super) fn asked_in_vain(&self) -> Vec<Arc<Revision>> {
        let mut all = self.registry.all();
        all.retain(|one| one.stats.codes.iter().next().is_some() && self.is_left_alone(one));
        all
    }

    fn is_left_alone(&self, revision: &Revision) -> bool {
        let left_alone = self.left_alone.read();
        let found = left_alone.binary_search_by(|left| left.name.cmp(&revision.spec.id));
        found.is_ok()
    }

    pub(super) fn left_alone(&self) -> Vec<LeftAlone> {
        self.left_alone.read().clone()
    }

    pub(super) fn look(&self, revision: Arc<Revision>) -> Present {
        // Cloned, so that nobody who comes or goes waits for a report.
        let watched = self.watched.read().get(&revision.spec.id).cloned();
        let steered = watched.map(|watched| Steered {
            spec: watched.spec.borrow().clone(),
            world: watched.world.borrow().clone(),
            gauged: watched.gauged.borrow().clone(),
            schedule: watched.schedule.borrow().clone(),
            remarks: watched.remarks.borrow().clone(),
            last: watched.decisions.last(),
            decisions: watched.decisions,
        });
        let (here, visits) = revision.throttler.guests().oldest(MOST_VISITS);
        Present {
            reading: revision.throttler.read(),
            sample: revision.throttler.glance(),
            here,
            visits,
            revision,
            steered,
            gateways: self.gateways(),
            loads: Arc::clone(&self.loads),
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
    /// `None` where there never are others.
    pub(super) gateways: Option<Gateways>,
    /// What sidecars have said.
    pub(super) loads: Arc<Book>,
}

/// What steers a revision, at one moment.
#[derive(Debug)]
pub(super) struct Steered {
    pub(super) spec: Spec,
    pub(super) world: World,
    pub(super) gauged: Gauged,
    pub(super) schedule: Schedule,
    pub(super) remarks: Vec<String>,
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
            remarks,
            ..
        } = steered;
        let scheduled = last.as_ref().and_then(|last| last.decision.seen.scheduled);
        let around = around(&world, &self.sample, scheduled);
        let steering = decisions.steering();
        let in_flight = self.sample.in_flight;
        let mut on_their_way = world.replicas;
        on_their_way.retain(|view| view.state.is_on_its_way());
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
            unmade: world.unmade,
            diagnosis: world.diagnosis,
            unread,
            hours_until,
            remarks,
            on_their_way,
            typical_phases: world.typical_phases,
            expected: world.expected,
        })
    }
}
