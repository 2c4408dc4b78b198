//! What came to replicas past every gateway, as their sidecars say: demand as well.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::others::{Idle, Others};
use crate::loads::Book;
use crate::ports::{ReplicaState, ReplicaView, World};
use crate::revision::ReplicaId;

/// What sidecars say of the replicas of one revision.
#[derive(Debug)]
pub(super) struct Past {
    loads: Arc<Book>,
    world: watch::Receiver<World>,
    /// When it was measured last.
    measured: Option<Instant>,
    /// Parts of requests, which are counted whole.
    rest: f64,
    /// When somebody was there last.
    seen: Option<Instant>,
}

impl Past {
    pub(super) fn new(loads: Arc<Book>, world: watch::Receiver<World>) -> Self {
        Self {
            loads,
            world,
            measured: None,
            rest: 0.0,
            seen: None,
        }
    }

    /// What is asked there beside what this gateway keeps busy (`busy`), and whether one that serves
    /// has said something before and says nothing now.
    pub(super) fn look(
        &mut self,
        mut busy: BTreeSet<ReplicaId>,
        measured: bool,
        now: Instant,
    ) -> (Others, bool) {
        let (mut others, mut per_second, mut silent) = (Others::default(), 0.0, false);
        for view in &self.world.borrow().replicas {
            let Some(uid) = view.uid.as_deref() else {
                continue;
            };
            let Some(load) = self.loads.of(uid, now) else {
                silent |= serves(view) && self.loads.misses(uid, now);
                continue;
            };
            let (concurrency, requests) = load.rates.direct();
            others.average_concurrency += concurrency;
            per_second += requests;
            if load.direct_now() > 0 {
                others.in_flight = others.in_flight.saturating_add(load.direct_now());
                busy.insert(view.id);
            }
        }
        others.busy = crate::counting::count(busy.len());
        if others.in_flight > 0 || others.average_concurrency > 0.0 {
            self.seen = Some(now);
        }
        others.idle_since = match self.seen {
            _ if others.in_flight > 0 => Idle::Never,
            Some(seen) => Idle::Since(seen),
            None => Idle::Always,
        };
        if measured {
            others.requests = self.requests(per_second, now);
        }
        (others, silent)
    }

    /// Whole requests since the last time.
    fn requests(&mut self, per_second: f64, now: Instant) -> u64 {
        let last = self.measured.replace(now).unwrap_or(now);
        let seconds = now.saturating_duration_since(last).as_secs_f64();
        let all = self.rest + per_second * seconds;
        self.rest = all.fract();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "never below nothing, and nobody counts that many"
        )]
        let whole = all as u64;
        whole
    }
}

fn serves(view: &ReplicaView) -> bool {
    view.state == ReplicaState::Ready
}
