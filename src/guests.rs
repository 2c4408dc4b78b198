//! Who is here: every request of one revision, from its arrival until the slot it took is free
//! again, also one whose client has left before that. It is kept for people who ask what keeps a
//! replica busy; nothing is counted or decided by it.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use slab::Slab;

use crate::admission::Ticket;
use crate::revision::ReplicaId;

/// The requests of one revision that are here.
#[derive(Debug, Default)]
pub struct Guests(Mutex<Slab<Note>>);

/// What is noted of one request. A copy, not a handle: a piece of a request keeps the whole buffer
/// it was read into.
#[derive(Debug)]
struct Note {
    name: Name,
    arrived: Instant,
    stage: Stage,
    /// Its place in line, while it stands there.
    ticket: Option<Ticket>,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits for a slot, or is about to be sent.
    Waiting,
    /// A replica works on it.
    Answering {
        /// Which one.
        replica: ReplicaId,
        /// Since when.
        since: Instant,
    },
    /// A replica works on it still, but its client has left.
    Abandoned {
        /// Which one.
        replica: ReplicaId,
        /// Since when.
        since: Instant,
    },
}

impl Stage {
    /// The word in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Answering { .. } => "answering",
            Self::Abandoned { .. } => "abandoned",
        }
    }
}

/// One request as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Its method and its path without the query, cut where it is long.
    pub name: String,
    /// When it came.
    pub arrived: Instant,
    /// How far it has come.
    pub stage: Stage,
    /// Its place in line, while it stands there.
    pub ticket: Option<Ticket>,
}

/// A place in the book of guests. Dropping it strikes the request out.
#[derive(Debug)]
pub struct Guest {
    guests: Arc<Guests>,
    key: usize,
}

/// A book that had room for more than that is thrown away once it is empty.
const ROOM_KEPT: usize = 256;

impl Guests {
    /// A request comes.
    #[must_use]
    pub fn arrive(self: &Arc<Self>, method: &str, path: &str, now: Instant) -> Guest {
        let note = Note {
            name: Name::new(method, path),
            arrived: now,
            stage: Stage::Waiting,
            ticket: None,
        };
        let key = self.0.lock().insert(note);
        let guests = Arc::clone(self);
        Guest { guests, key }
    }

    /// How many are here, and of them those that came first, at most `most`.
    #[must_use]
    pub fn oldest(&self, most: usize) -> (usize, Vec<Visit>) {
        let notes = self.0.lock();
        let mut first: Vec<&Note> = Vec::with_capacity(most + 1);
        for (_, note) in notes.iter() {
            let place = first.partition_point(|earlier| earlier.arrived <= note.arrived);
            if place < most {
                first.insert(place, note);
                first.truncate(most);
            }
        }
        let visits = first.into_iter().map(Note::visit).collect();
        (notes.len(), visits)
    }
}

impl Guest {
    /// It is sent to a replica.
    pub fn sent(&self, replica: ReplicaId, now: Instant) {
        self.at(Stage::Answering {
            replica,
            since: now,
        });
    }

    /// It stands in line with this ticket, or no longer.
    pub fn stands(&self, ticket: Option<Ticket>) {
        self.change(|note| note.ticket = ticket);
    }

    /// It was not taken there and waits again.
    pub fn waits(&self) {
        self.at(Stage::Waiting);
    }

    /// Its client has left, and the replica works on.
    pub fn abandoned(&self, replica: ReplicaId, now: Instant) {
        self.at(Stage::Abandoned {
            replica,
            since: now,
        });
    }

    fn at(&self, stage: Stage) {
        self.change(|note| note.stage = stage);
    }

    fn change(&self, change: impl FnOnce(&mut Note)) {
        let mut notes = self.guests.0.lock();
        let note = notes.get_mut(self.key);
        change(note.expect("a guest is in the book until it is dropped"));
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut notes = self.guests.0.lock();
        notes.remove(self.key);
        if notes.is_empty() && notes.capacity() > ROOM_KEPT {
            *notes = Slab::new();
        }
    }
}

impl Note {
    fn visit(&self) -> Visit {
        Visit {
            name: self.name.text(),
            arrived: self.arrived,
            stage: self.stage,
            ticket: self.ticket,
        }
    }
}

/// Method and path, in place: a request that passes through asks for no memory here.
#[derive(Debug)]
struct Name {
    bytes: [u8; Self::MOST],
    len: u8,
    cut: bool,
}

impl Name {
    const MOST: usize = 78;

    fn new(method: &str, path: &str) -> Self {
        let mut name = Self {
            bytes: [0; Self::MOST],
            len: 0,
            cut: false,
        };
        name.push(method);
        name.push(" ");
        name.push(path);
        name
    }

    fn push(&mut self, text: &str) {
        let from = usize::from(self.len);
        let taken = text.len().min(Self::MOST - from);
        self.bytes[from..from + taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.cut |= taken < text.len();
        self.len = u8::try_from(from + taken).expect("it is shorter than 256");
    }

    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes[..usize::from(self.len)]);
        let rest = if self.cut { "…" } else { "" };
        format!("{text}{rest}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sync::now;

    fn names(guests: &Guests, most: usize) -> (usize, Vec<String>) {
        let (here, visits) = guests.oldest(most);
        (here, visits.into_iter().map(|visit| visit.name).collect())
    }

    #[test]
    fn who_came_first_is_told_first_until_it_leaves() {
        let (guests, t) = (Arc::new(Guests::default()), now());
        let later = t + Duration::from_secs(1);
        let second = guests.arrive("GET", "/b", later);
        let first = guests.arrive("POST", "/a", t);
        let third = guests.arrive("GET", "/c", later);
        let two = ["POST /a".to_owned(), "GET /b".to_owned()];
        assert_eq!(names(&guests, 2), (3, two.to_vec()));
        drop(first);
        assert_eq!(names(&guests, 1), (2, vec!["GET /b".to_owned()]));
        drop((second, third));
        assert_eq!(names(&guests, 9), (0, Vec::new()));
    }

    #[test]
    fn it_is_told_what_becomes_of_a_request() {
        let (guests, t) = (Arc::new(Guests::default()), now());
        let guest = guests.arrive("GET", "/", t);
        let stage = || guests.oldest(1).1[0].stage;
        assert_eq!(stage(), Stage::Waiting);
        let (replica, since) = (ReplicaId(2), t + Duration::from_secs(3));
        guest.sent(replica, since);
        assert_eq!(stage(), Stage::Answering { replica, since });
        guest.abandoned(replica, since);
        assert_eq!(stage(), Stage::Abandoned { replica, since });
        guest.waits();
        assert_eq!(stage(), Stage::Waiting);
    }

    #[test]
    fn a_long_path_is_cut_and_looks_cut() {
        let (guests, t) = (Arc::new(Guests::default()), now());
        let _long = guests.arrive("GET", &"/ä".repeat(100), t);
        let (_, names) = names(&guests, 1);
        assert!(names[0].starts_with("GET /ä/ä"), "{names:?}");
        assert!(names[0].ends_with('…'), "{names:?}");
        assert!(names[0].len() < 90, "{names:?}");
    }

    #[test]
    fn a_crowd_leaves_no_memory_behind() {
        let (guests, t) = (Arc::new(Guests::default()), now());
        let crowd: Vec<_> = (0..10_000).map(|_| guests.arrive("GET", "/", t)).collect();
        drop(crowd);
        assert!(guests.0.lock().capacity() <= ROOM_KEPT);
    }
}
