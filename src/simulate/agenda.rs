//! What is to happen, in order of time. At one and the same moment a measurement sees what was
//! there before, who leaves makes room, and who arrives finds it.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::requests::Key;
use crate::counting::nanos;
use crate::revision::ReplicaId;

/// One thing that happens to a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The next second of its autoscaler.
    Tick,
    /// Something that its replicas waited for may have come.
    Look,
    /// A process that was started can take requests.
    Ready(ReplicaId),
    /// A process that was started has ended.
    Failed(ReplicaId),
    /// The admission hears who is there.
    Follow,
    /// A client's patience has come to its end.
    Leave(Key),
    /// The replica is done with a request.
    Done(Key),
    /// An answer takes longer than it may.
    Cut(Key),
    /// A wait may have come to its end.
    Due(Key),
    /// The next request of the load.
    Arrive,
    /// A group of workers begins.
    Begin(u32),
    /// A worker of this group sends its next request.
    Again(u32),
    /// The autoscaler hears that somebody waits and nothing serves.
    Poke,
}

impl Event {
    /// The rank of the first thing that can happen to requests.
    const FIRST_OF_REQUESTS: u64 = 3;

    /// Its place among those of the same moment.
    const fn rank(self) -> u64 {
        match self {
            Self::Tick => 0,
            Self::Look | Self::Ready(_) | Self::Failed(_) => 1,
            Self::Follow => 2,
            Self::Leave(_) => Self::FIRST_OF_REQUESTS,
            Self::Done(_) => 4,
            Self::Cut(_) => 5,
            Self::Due(_) => 6,
            Self::Arrive | Self::Begin(_) | Self::Again(_) => 7,
            Self::Poke => 8,
        }
    }
}

/// What is to happen, and what time it is.
#[derive(Debug)]
pub(super) struct Agenda {
    epoch: Instant,
    nanos: u64,
    now: Instant,
    entries: BinaryHeap<Entry>,
    added: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at: u64,
    /// The rank in the highest byte, then the turn, or first come, first served.
    order: u64,
    site: u32,
    event: Event,
}

impl Ord for Entry {
    /// The earliest is the greatest, for the heap.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Agenda {
    pub(super) const fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            nanos: 0,
            now: epoch,
            entries: BinaryHeap::new(),
            added: 0,
        }
    }

    pub(super) const fn now(&self) -> Instant {
        self.now
    }

    /// The instant so long after the beginning.
    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.epoch + at
    }

    /// How much time has passed.
    pub(super) const fn passed(&self) -> Duration {
        Duration::from_nanos(self.nanos)
    }

    /// So long after the beginning; what is past already happens now.
    pub(super) fn at(&mut self, at: Duration, site: u32, event: Event) {
        self.at_turn(at, 0, site, event);
    }

    /// The same for what has a known turn among the requests that something happens to then.
    pub(super) fn at_turn(&mut self, at: Duration, turn: u32, site: u32, event: Event) {
        self.add(nanos(at).max(self.nanos), turn, site, event);
    }

    /// So long after now.
    pub(super) fn after(&mut self, delay: Duration, site: u32, event: Event) {
        self.after_turn(delay, 0, site, event);
    }

    /// The same for what has a known turn.
    pub(super) fn after_turn(&mut self, delay: Duration, turn: u32, site: u32, event: Event) {
        self.add(self.nanos.saturating_add(nanos(delay)), turn, site, event);
    }

    /// At this instant.
    pub(super) fn when(&mut self, at: Instant, site: u32, event: Event) {
        self.after(at.saturating_duration_since(self.now), site, event);
    }

    fn add(&mut self, at: u64, turn: u32, site: u32, event: Event) {
        self.added += 1;
        let order = match turn {
            0 => event.rank() << 56 | self.added,
            turn => Event::FIRST_OF_REQUESTS << 56 | u64::from(turn) << 8 | event.rank(),
        };
        self.entries.push(Entry {
            at,
            order,
            site,
            event,
        });
    }

    /// Goes on to what happens next, if that is not after `end`.
    pub(super) fn next(&mut self, end: Duration) -> Option<(u32, Event)> {
        let next = self.entries.peek().filter(|entry| entry.at <= nanos(end))?;
        let Entry {
            at, site, event, ..
        } = *next;
        self.entries.pop();
        self.go_to(at);
        Some((site, event))
    }

    /// Lets time pass until then, though nothing happens.
    pub(super) fn finish(&mut self, end: Duration) {
        self.go_to(nanos(end));
    }

    fn go_to(&mut self, at: u64) {
        if at != self.nanos {
            self.nanos = at;
            self.now = self.epoch + Duration::from_nanos(at);
        }
    }
}
