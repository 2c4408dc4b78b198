//! The replicas are shared with other gateways: what is ours comes and goes.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::watch;

use super::{Guard, Kept, Throttler, now, wake};
use crate::admission::meter::Report;
use crate::admission::{Grant, Holding};
use crate::ports::World;
use crate::revision::ReplicaId;

/// What is asked here, for who decides elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// What was measured since the last sample, where that was wanted.
    pub measured: Option<Report>,
    /// Requests here now, waiting or running for a client.
    pub in_flight: u32,
    /// Those of them that wait.
    pub waiting: usize,
    /// Replicas that hold something, and how much.
    pub busy: Vec<(ReplicaId, u32)>,
    /// The longest that an answer took of late.
    pub longest_service: Option<Duration>,
}

impl<C: Kept> Throttler<C> {
    /// From now on replicas are shared: with `keep` the whole of those that are there is ours (we
    /// were alone), else nothing is. No effect where they are shared already.
    pub fn divide(&self, keep: bool) {
        self.state.lock().admission.divide(keep);
    }

    /// Alone again: every replica is ours as a whole, and nothing is owed to anybody.
    pub fn unite(&self) {
        let mut state = self.state.lock();
        let grants = state.admission.unite(now());
        self.seat_all(state, grants);
    }

    /// We may use so many slots of a replica more, also of one that is not listed yet. One that is
    /// given up falls due again at once.
    pub fn grant(&self, replica: ReplicaId, slots: u32) {
        let mut state = self.state.lock();
        let grants = state.admission.grant(replica, slots, now());
        self.seat_all(state, grants);
    }

    /// Gives back so many slots of whichever replicas: returns the idle ones, the rest fall due as
    /// requests end.
    pub fn recall(&self, slots: u32) -> Vec<(ReplicaId, u32)> {
        self.state.lock().admission.recall(slots)
    }

    /// Gives back up to so many idle slots of whichever replicas, and owes nothing.
    pub fn spare(&self, slots: u32) -> Vec<(ReplicaId, u32)> {
        self.state.lock().admission.spare(slots)
    }

    /// At most so many slots of a replica stay ours: returns how many idle ones are not, the rest
    /// fall due as requests end.
    pub fn keep(&self, replica: ReplicaId, most: u32) -> u32 {
        self.state.lock().admission.keep(replica, most)
    }

    /// Exactly these get no new request: returns what is idle of them, the rest falls due as it
    /// ends. Those that were among them before and are not now serve again with what is granted
    /// from then on.
    pub fn give_up(&self, replicas: &[ReplicaId]) -> Vec<(ReplicaId, u32)> {
        self.state.lock().admission.give_up(replicas)
    }

    /// Exactly these take a request only where no other can: whoever leads has seen what all of us use.
    pub fn rest_these(&self, replicas: &[ReplicaId]) {
        self.state.lock().admission.rest_these(replicas);
    }

    /// What fell due since the last call: ours no longer once it was taken from here.
    pub fn returned(&self) -> Vec<(ReplicaId, u32)> {
        self.state.lock().admission.returned()
    }

    /// What is ours of each replica, and what runs there. What fell due is included until
    /// `returned` tells of it: so who is told these holdings is told what `returned` says from then
    /// on, and nothing that it said before.
    pub fn holdings(&self) -> Vec<Holding> {
        self.state.lock().admission.holdings()
    }

    /// Changes when something falls due, and when somebody waits beside replicas that serve.
    pub fn share_news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// What is asked here, all of one moment. With `ends_sample` a sample ends, of which no record tells.
    pub fn asked(&self, ends_sample: bool) -> Asked {
        let now = now();
        let mut state = self.state.lock();
        let measured = ends_sample.then(|| state.admission.report(now));
        let (in_flight, _) = state.admission.demand();
        Asked {
            measured,
            in_flight,
            waiting: state.admission.waiting(),
            busy: state.admission.loads().collect(),
            longest_service: state.longest.over(now),
        }
    }

    /// The longest that an answer took, over the last 10 to 20 minutes, those included whose client
    /// did not wait for the end.
    pub fn longest_service(&self) -> Option<Duration> {
        self.state.lock().longest.over(now())
    }

    /// Who reads the news looks again.
    pub(super) fn tell_news(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    fn seat_all(&self, mut state: Guard<'_, C>, grants: Vec<Grant>) {
        let due = state.admission.is_due();
        let wakers = state.grant(grants, now());
        drop(state);
        wake(wakers);
        if due {
            self.tell_news();
        }
    }
}

/// Whether there is news for those we share the replicas with.
pub(super) fn is_news<C: Kept>(state: &Guard<'_, C>) -> bool {
    state.admission.is_due() || state.admission.is_hungry()
}

/// The replicas of a world have changed: what is ours of those that are gone falls due.
pub(super) fn follow<C: Kept>(state: &mut Guard<'_, C>, world: &World) {
    if !state.admission.is_divided() {
        return;
    }
    let exist: HashSet<ReplicaId> = world.replicas.iter().map(|view| view.id).collect();
    state
        .admission
        .void_shares(|replica| exist.contains(&replica));
}
