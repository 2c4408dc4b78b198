//! One pod as its actor keeps it.

use std::sync::Arc;

use tokio::time::Instant;

use super::course::Course;
use super::looker::Looker;
use super::plan::{Candidate, Rank, ordinal};
use crate::backend::kubernetes::objects::PodView;
use crate::ports::Hindrance;
use crate::revision::ReplicaId;

/// What we write as `controller.kubernetes.io/pod-deletion-cost` on a pod that may be taken: the number
/// is our sign, so that what an earlier life of the gate has left is known as ours.
pub(in crate::backend::kubernetes) const MARK: i32 = -2_000_000_505;

pub(super) struct Member {
    pub(super) id: ReplicaId,
    pub(super) pod: Arc<PodView>,
    pub(super) health: Health,
    /// Where it takes requests; `None` before it does.
    pub(super) port: Option<u16>,
    /// When the present life of its containers began.
    pub(super) since: Instant,
    /// It was made before our eyes.
    pub(super) seen_born: bool,
    pub(super) running_at: Option<Instant>,
    /// When it came to the stage in which it is.
    pub(super) stage_at: Instant,
    /// How far its start has come.
    pub(super) course: Course,
    /// What keeps it, and a sentence for a person. A crash counts only once there were as many as starts may
    /// fail.
    pub(super) hindrance: Option<(Hindrance, Arc<str>)>,
    /// Since when no node is found for it; `None` before anybody has looked, and once it has one.
    pub(super) unplaced: Option<Instant>,
    /// Until when it is believed that a node comes for it; `None`: nobody says so.
    pub(super) promised: Option<Instant>,
    /// Until when it is believed that there will be room for it, and nobody else, on a node that is there.
    pub(super) nominated: Option<Instant>,
    /// How often its containers were started again: what is told of an earlier life does not count.
    pub(super) life: u64,
    pub(super) was_ready: bool,
    /// How often its containers had ended when it last took requests: what failed before that does not
    /// count.
    pub(super) proven: Option<u32>,
    /// Kubelet waits before it tries again to get its image.
    pub(super) backed_off: bool,
    /// What it last answered, unless that was right.
    pub(super) says: Option<String>,
    pub(super) service: Service,
    /// How often the throttler was asked in vain to take it back.
    pub(super) unheard: u32,
    pub(super) cost: Cost,
    pub(super) looker: Option<Looker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// Looked at since then.
    Coming(Instant),
    /// Since when.
    Ready(Instant),
}

/// Whether it is to take requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    In,
    /// To go when it is vacant; taken back if it is wanted after all.
    Retired,
    /// Its controller has been asked for fewer, and may take it at any moment.
    Released(Instant),
    /// It left requests unanswered beyond any budget: it gets nothing until they have ended.
    Stuck,
}

/// A deletion cost as it is written; `None` takes it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Price(pub(super) Option<i32>);

/// Its deletion cost beyond what is seen of it.
#[derive(Debug, Default)]
pub(super) struct Cost {
    /// What somebody else had written.
    pub(super) original: Option<i32>,
    /// What was written, or may have been, and has not been seen.
    pub(super) asked: Option<Price>,
    /// Until when that is believed without being seen; `None`: nobody has answered.
    pub(super) until: Option<Instant>,
    pub(super) calling: bool,
    pub(super) failures: u32,
    pub(super) retry_at: Option<Instant>,
}

impl Cost {
    /// It costs this now: if that is what was written, nothing is awaited any more.
    pub(super) fn see(&mut self, seen: Option<i32>) {
        if self.asked == Some(Price(seen)) {
            (self.asked, self.until) = (None, None);
        }
    }
}

impl Member {
    /// It counts for its controller.
    pub(super) fn is_alive(&self) -> bool {
        !self.pod.terminating
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.health, Health::Ready(_))
    }

    /// A person wrote another port than it takes requests at.
    pub(super) fn moves(&self, written: Option<u16>) -> bool {
        self.is_ready() && written.is_some() && self.port != written
    }

    /// It may come to take requests, or to take them elsewhere.
    pub(super) fn is_awaited(&self, written: Option<u16>) -> bool {
        let comes = !self.is_ready() || self.moves(written);
        self.is_alive() && !self.is_victim() && comes
    }

    pub(super) fn is_in_service(&self) -> bool {
        self.is_alive() && self.service == Service::In
    }

    /// Every moment of its first start was before our eyes.
    pub(super) fn is_newborn(&self) -> bool {
        self.seen_born && self.life == 0
    }

    /// Taken out of service, to go.
    pub(super) fn is_victim(&self) -> bool {
        matches!(self.service, Service::Retired | Service::Released(_))
    }

    /// How many starts of its containers have failed since it last took requests. The end of one that
    /// did is no failed start.
    pub(super) fn failed_starts(&self) -> u32 {
        let crashes = self.pod.crashes;
        let since = |proven| crashes.saturating_sub(proven).saturating_sub(1);
        self.proven.map_or(crashes, since)
    }

    /// It carries our mark, or may.
    fn is_marked(&self) -> bool {
        let mark = Some(MARK);
        self.pod.deletion_cost == mark || self.cost.asked == Some(Price(mark))
    }

    /// What has to be written for it to cost what it should: our mark, or what it cost before.
    pub(super) fn correction(&self, mark: bool, now: Instant) -> Option<Price> {
        if !mark && !self.is_marked() {
            return None;
        }
        let right = Price(if mark { Some(MARK) } else { self.cost.original });
        let costs = match self.cost.asked {
            None => Some(Price(self.pod.deletion_cost)),
            asked => asked.filter(|_| self.cost.until.is_some_and(|until| now < until)),
        };
        (costs != Some(right)).then_some(right)
    }

    /// Its number among the pods of its workload, of which the first has this ordinal.
    pub(super) fn place(&self, first: u32) -> Option<u32> {
        ordinal(&self.pod.name)?.checked_sub(first)
    }

    pub(super) fn rank(&self) -> Rank {
        Rank::of(&self.pod)
    }

    /// As its controller sees it. While a change of its cost is under way, the cost is what is worse
    /// for those who stay.
    pub(super) fn candidate(&self, may_go: bool, first_ordinal: u32) -> Candidate {
        let seen = self.pod.deletion_cost.unwrap_or(0);
        let asked = self
            .cost
            .asked
            .map_or(seen, |Price(cost)| cost.unwrap_or(0));
        Candidate {
            rank: self.rank(),
            cost: if may_go {
                seen.max(asked)
            } else {
                seen.min(asked)
            },
            place: self.place(first_ordinal),
            may_go,
        }
    }

    /// A new life of its containers: whether it is ready is not known.
    pub(super) fn begin_again(&mut self, now: Instant) {
        self.health = Health::Coming(now);
        self.port = None;
        self.since = now;
        self.running_at = None;
        self.course = Course::begin(now, &self.pod, now);
        self.life += 1;
        self.says = None;
        self.looker = None;
    }

    /// The same life goes on, and whether it is ready is not known any more.
    pub(super) fn look_anew(&mut self, why: &str, now: Instant) {
        let (since, course) = (self.since, self.course);
        self.begin_again(now);
        (self.since, self.course) = (since, course);
        self.says = Some(why.to_owned());
    }
}
