//! Who sits on a connection without using it, and for how long. Looked at once a second for all
//! connections together, so that a request sets no timer and reads no clock.
//!
//! A client that begins a request must come to its end, one that was served may wait for its next.
//! Where all places are taken, those who do nothing with theirs leave first: strangers and who does not
//! come to the end of a request before who was served, and of these who waits longest.

mod seat;

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use slab::Slab;

pub(super) use self::seat::Seat;
use self::seat::Use;
use crate::proxy::Wire;
use crate::sync::now;

/// How often connections are looked at.
const GLANCE: Duration = Duration::from_secs(1);

/// Of all places, the part that is made free at once.
const ROOM: usize = 64;

/// How long a client may do nothing with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From connecting, or from the first byte of a request, to the end of its head.
    pub head: Duration,
    /// Between two requests; `None` is for ever.
    pub idle: Option<Duration>,
}

/// A seat and since when it is as it is.
#[derive(Debug)]
struct Noted {
    seat: Arc<Seat>,
    /// How often it had been used, and how it was, when it was looked at.
    last: (u32, Use),
    since: Option<Instant>,
}

/// Every connection of a server.
#[derive(Debug)]
pub(super) struct Seats {
    all: Mutex<Slab<Noted>>,
    patience: Mutex<Patience>,
    /// Somebody waits for a place.
    wanted: AtomicBool,
    /// Somebody looks at them.
    kept: AtomicBool,
}

/// A seat that is taken; given back when dropped.
#[derive(Debug)]
pub(super) struct Taken {
    seats: Arc<Seats>,
    place: usize,
    pub(super) seat: Arc<Seat>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.seats.all.lock().remove(self.place);
    }
}

impl Seats {
    pub(super) fn new(patience: Patience) -> Self {
        Self {
            all: Mutex::default(),
            patience: Mutex::new(patience),
            wanted: AtomicBool::new(false),
            kept: AtomicBool::new(false),
        }
    }

    /// How long a client may do nothing, from now on.
    pub(super) fn set_patience(&self, patience: Patience) {
        *self.patience.lock() = patience;
    }

    /// A connection has come.
    pub(super) fn take(self: &Arc<Self>, wire: &Arc<Wire>) -> Taken {
        if !self.kept.swap(true, Relaxed) {
            tokio::spawn(keep(Arc::downgrade(self)));
        }
        let seat = Arc::new(Seat::new(Arc::clone(wire)));
        let noted = Noted {
            seat: Arc::clone(&seat),
            last: (0, Use::Beginning),
            since: None,
        };
        Taken {
            place: self.all.lock().insert(noted),
            seats: Arc::clone(self),
            seat,
        }
    }

    /// Somebody waits for a place, or does not any more.
    pub(super) fn want(&self, wanted: bool) {
        self.wanted.store(wanted, Relaxed);
        if wanted {
            make_room(&mut self.all.lock());
        }
    }

    /// Nobody ever looks at them, so that nobody is known to do nothing.
    #[cfg(test)]
    pub(super) fn unattended(&self) {
        self.kept.store(true, Relaxed);
    }

    /// Looks at all of them.
    fn look(&self, now: Instant) {
        let patience = *self.patience.lock();
        let mut seats = self.all.lock();
        for (_, noted) in seats.iter_mut() {
            noted.look(now, patience);
        }
        if self.wanted.load(Relaxed) {
            make_room(&mut seats);
        }
    }
}

impl Noted {
    fn look(&mut self, now: Instant, patience: Patience) {
        let seen = (self.seat.begun(), self.seat.used());
        if self.last != seen || self.since.is_none() {
            self.last = seen;
            self.since = Some(now);
        }
        let most = match seen.1 {
            Use::Busy => None,
            Use::Beginning => Some(patience.head),
            Use::Kept => patience.idle,
        };
        let waits = self.since.map(|since| now.saturating_duration_since(since));
        if most.zip(waits).is_some_and(|(most, waits)| waits >= most) {
            self.seat.tell_to_leave();
        }
    }
}

/// Has those leave who can be spared most easily. Who has only just come is not yet known to do nothing.
fn make_room(seats: &mut Slab<Noted>) {
    let room = (seats.len() / ROOM).max(1);
    let spare = |noted: &Noted| {
        let unused = noted.seat.used() == noted.last.1 && noted.last.1 != Use::Busy;
        let same = noted.seat.begun() == noted.last.0;
        let since = noted.since.filter(|_| unused && same)?;
        let served = noted.last.1 == Use::Kept && !noted.seat.is_stranger();
        Some((served, since))
    };
    let spared = seats
        .iter()
        .filter_map(|(_, noted)| Some((spare(noted)?, &noted.seat)));
    let mut spared: Vec<_> = spared.collect();
    spared.sort_unstable_by_key(|(order, _)| Reverse(*order));
    let first = spared.len().saturating_sub(room);
    for (_, seat) in &spared[first..] {
        seat.tell_to_leave();
    }
}

/// Looks at the connections for as long as there is a server.
async fn keep(seats: std::sync::Weak<Seats>) {
    let mut every = tokio::time::interval(GLANCE);
    loop {
        every.tick().await;
        match seats.upgrade() {
            Some(seats) => seats.look(now()),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::proxy::Client;

    fn seats(head: u64, idle: u64) -> Arc<Seats> {
        Arc::new(Seats::new(Patience {
            head: Duration::from_secs(head),
            idle: Some(Duration::from_secs(idle)),
        }))
    }

    fn sit(seats: &Arc<Seats>) -> (Taken, Arc<Wire>) {
        let client = Client::new(Ipv4Addr::LOCALHOST.into(), None);
        let wire = Arc::clone(client.wire());
        (seats.take(&wire), wire)
    }

    /// Whether it is told to leave within so many seconds.
    async fn leaves(taken: &Taken, within: u64) -> bool {
        let within = Duration::from_secs(within);
        let told = tokio::time::timeout(within, taken.seat.must_leave()).await;
        told.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_come_to_the_end_of_a_head_leaves_sooner_than_who_was_served() {
        let seats = seats(30, 300);
        let (silent, _) = sit(&seats);
        let (slow, wire) = sit(&seats);
        slow.seat.begin();
        slow.seat.end();
        wire.hear();
        let (kept, _) = sit(&seats);
        kept.seat.begin();
        kept.seat.end();
        assert!(!leaves(&silent, 29).await);
        assert!(leaves(&silent, 3).await && leaves(&slow, 3).await);
        assert!(slow.seat.has_begun() && !silent.seat.has_begun());
        assert!(!leaves(&kept, 260).await);
        assert!(leaves(&kept, 12).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_served_stays_for_as_long_as_it_takes() {
        let seats = seats(30, 60);
        let (busy, _) = sit(&seats);
        busy.seat.begin();
        assert!(!leaves(&busy, 10_000).await);
        busy.seat.end();
        assert!(!leaves(&busy, 58).await);
        assert!(leaves(&busy, 4).await);
    }

    #[tokio::test(start_paused = true)]
    async fn every_request_begins_the_wait_anew() {
        let seats = seats(30, 60);
        let (taken, _) = sit(&seats);
        for _ in 0..10 {
            taken.seat.begin();
            taken.seat.end();
            assert!(!leaves(&taken, 50).await);
        }
        assert!(leaves(&taken, 12).await);
    }

    #[tokio::test(start_paused = true)]
    async fn where_a_place_is_needed_strangers_leave_first_and_then_who_waits_longest() {
        let seats = seats(300, 300);
        let second = || tokio::time::sleep(Duration::from_secs(2));
        let serve = |taken: &Taken| {
            taken.seat.begin();
            taken.seat.end();
        };
        let (busy, _) = sit(&seats);
        busy.seat.begin();
        let (old, _) = sit(&seats);
        serve(&old);
        second().await;
        let (young, _) = sit(&seats);
        serve(&young);
        second().await;
        for takes_many in [false, true] {
            let (stranger, _) = sit(&seats);
            if takes_many {
                stranger.seat.takes_many();
            }
            second().await;
            seats.want(true);
            assert!(leaves(&stranger, 0).await);
            seats.want(false);
        }
        let (fresh, _) = sit(&seats);
        for taken in [&busy, &old, &young, &fresh] {
            assert!(!leaves(taken, 0).await);
        }
        seats.want(true);
        assert!(leaves(&old, 0).await);
        for taken in [&busy, &young, &fresh] {
            assert!(!leaves(taken, 0).await);
        }
    }
}
