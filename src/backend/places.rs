//! How many local processes there may be, over all revisions together.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::autoscale::Shortage;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::unconstrained;

/// The places of one gate; clones share them.
#[derive(Clone, Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    limit: usize,
}

/// One process's place, from before its start until nothing is left of its group.
pub(super) type Place = OwnedSemaphorePermit;

impl Places {
    /// So many processes at once, and never more.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(limit)),
            limit,
        }
    }

    /// The bound.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }
}

/// One supervisor's turn at the places: first come, first served between supervisors.
pub(super) struct Desk {
    places: Places,
    spare: Option<Place>,
    waiting: Option<Pin<Box<dyn Future<Output = Option<Place>> + Send>>>,
}

impl Desk {
    pub(super) const fn new(places: Places) -> Self {
        Self {
            places,
            spare: None,
            waiting: None,
        }
    }

    /// A place, or a turn in the line for one.
    pub(super) fn take(&mut self) -> Option<Place> {
        if let Some(place) = self.spare.take() {
            return Some(place);
        }
        if let Some(turn) = &mut self.waiting {
            // It may have come since anybody looked; `granted` leaves the waker that counts.
            let mut look = Context::from_waker(Waker::noop());
            let Poll::Ready(place) = turn.as_mut().poll(&mut look) else {
                return None;
            };
            self.waiting = None;
            return place;
        }
        let free = &self.places.free;
        if let Ok(place) = free.clone().try_acquire_owned() {
            return Some(place);
        }
        let turn = free.clone().acquire_owned();
        self.waiting = Some(Box::pin(unconstrained(async { turn.await.ok() })));
        None
    }

    /// Nothing is to be started: give back what was reserved.
    pub(super) fn leave(&mut self) {
        self.spare = None;
        self.waiting = None;
    }

    /// Waits until the turn has come; for ever when nothing was asked for.
    pub(super) async fn granted(&mut self) {
        match &mut self.waiting {
            Some(turn) => self.spare = turn.await,
            None => std::future::pending().await,
        }
        self.waiting = None;
    }

    /// What a start waits for.
    pub(super) fn shortage(&self) -> Option<Shortage> {
        self.waiting.as_ref().map(|_| Shortage::MaxProcesses)
    }

    /// Why a start waits, for a person.
    pub(super) fn complaint(&self) -> Option<String> {
        let limit = self.places.limit;
        let noun = if limit == 1 {
            "process is"
        } else {
            "processes are"
        };
        self.waiting
            .as_ref()
            .map(|_| format!("{limit} {noun} the most --max-processes allows"))
    }
}
