//! A few gateways, the replicas they share, and the lines between them and their leader: what is
//! said arrives in order, late, or not at all where a line breaks.

mod gate;
mod laws;
mod lead;
mod time;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use gate::{Gate, View};
use holdgate::admission::Ticket;
use holdgate::shares::{Book, MemberId, Order, Slots, UNLIMITED, Word};

/// One thing that happens. Numbers pick among whoever is there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happening {
    /// So many requests come to a gateway.
    Arrive(usize, u32),
    HangUp(usize),
    Abandon(usize),
    /// A gateway is not heard for so many milliseconds, and loses its line.
    Silence(usize, u64),
    /// A gateway dies; what it has sent runs on. Another life begins after so many milliseconds.
    Kill(usize, u64),
    /// A gateway takes nothing new, ends when nothing runs in it any more, and says so.
    Leave(usize),
    /// Somebody else leads.
    Depose,
    Limit(u32),
    /// A replica becomes unready, or ready again.
    Flap(usize),
    /// A replica ends, and another begins.
    Replace(usize),
    Retire(usize),
    Revive,
}

/// No answer takes longer, and most take far less.
const TIMEOUT: u64 = 1500;
const STEP: Duration = Duration::from_millis(5);
/// It takes so long until a death is known, or another leads: less than what it left may run.
const NOTICED: Duration = Duration::from_millis(100);

enum Said {
    /// To a member: this is the leader, what do you hold?
    Led,
    Ordered(Order),
    /// To the leader: this is what is held.
    Holds(Vec<Slots>),
    Word(Word),
    /// It has nothing any more.
    Left(MemberId),
}

/// A request that was sent by a gateway that has died.
struct Ghost {
    of: MemberId,
    replica: u64,
    /// When it ends, or when it was given up since none was seen to take so long.
    ends: Instant,
    given_up: bool,
}

type Line = VecDeque<(Instant, u64, Said)>;

/// Where a gateway stands: alive or not yet, and how it is reached.
struct Place {
    gate: Option<Gate>,
    lives: u64,
    born: Instant,
    /// When its leader reaches it (again).
    dials: Option<Instant>,
    /// The highest reign that it has seen.
    reign: u64,
    joined: bool,
    down: Line,
    up: Line,
    sees: VecDeque<(Instant, View)>,
}

pub(crate) struct Town {
    now: Instant,
    random: u64,
    view: View,
    pods: Vec<u64>,
    places: Vec<Place>,
    leader: Option<usize>,
    leads_from: Instant,
    reign: u64,
    book: Book,
    /// Dead members, of which the leader does not know yet.
    deaths: Vec<(Instant, MemberId)>,
    last_death: Option<Instant>,
    released: bool,
    ghosts: Vec<Ghost>,
    /// The longest that an answer took, as far as who leads was told.
    longest: Option<Duration>,
    /// When the reign before ended: nothing was granted since but by who leads.
    fell: Instant,
    /// When replicas were made.
    made: BTreeMap<u64, Instant>,
    /// What a replica may have to hold since its limit was changed.
    peak: BTreeMap<u64, u64>,
    /// Who is first in each line, and since when a slot idles elsewhere all the while.
    vain: Vec<Option<(Ticket, Instant)>>,
    calm: bool,
}

impl Place {
    fn empty(now: Instant) -> Self {
        Self {
            gate: None,
            lives: 0,
            born: now,
            dials: None,
            reign: 0,
            joined: false,
            down: Line::new(),
            up: Line::new(),
            sees: VecDeque::new(),
        }
    }
}

impl Town {
    pub(crate) fn new(gates: usize, limit: u32, random: u64) -> Self {
        let now = tokio::time::Instant::now().into_std();
        let pods = vec![1, 2, 3];
        let view = View {
            limit,
            exist: pods.iter().copied().collect(),
            ready: pods.iter().copied().collect(),
            retired: BTreeSet::new(),
        };
        let mut town = Self {
            now,
            random,
            view,
            pods,
            places: (0..gates).map(|_| Place::empty(now)).collect(),
            leader: None,
            leads_from: now,
            reign: 0,
            book: Book::new(),
            deaths: Vec::new(),
            last_death: None,
            released: true,
            ghosts: Vec::new(),
            longest: None,
            fell: now,
            made: BTreeMap::new(),
            peak: BTreeMap::new(),
            vain: vec![None; gates],
            calm: false,
        };
        town.pass(5);
        town
    }

    fn dice(&mut self, below: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.random >> 33) % below.max(1)
    }

    fn soon(&mut self, below: u64) -> Instant {
        self.now + Duration::from_millis(self.dice(below))
    }

    /// When a request ends that begins now.
    fn until(&mut self) -> Instant {
        let most = if self.dice(10) == 0 { TIMEOUT } else { 150 };
        self.soon(most)
    }

    pub(crate) fn happen(&mut self, happening: Happening) {
        let now = self.now;
        let of = |n: usize| n % self.places.len();
        match happening {
            Happening::Arrive(at, n) => self.arrive(of(at), n),
            Happening::HangUp(at) => self.tell(of(at), |gate| gate.hang_up(now)),
            Happening::Abandon(at) => self.tell(of(at), |gate| gate.abandon(now)),
            Happening::Leave(at) => self.tell(of(at), |gate| gate.leave(now)),
            Happening::Silence(at, ms) => self.silence(of(at), ms),
            Happening::Kill(at, ms) => self.kill(of(at), ms),
            Happening::Depose => self.depose(),
            Happening::Limit(limit) => self.change(|view, _| view.limit = limit),
            Happening::Flap(at) => {
                let id = self.pods[at];
                self.change(|view, _| {
                    let _ = view.ready.remove(&id) || view.ready.insert(id);
                });
            }
            Happening::Replace(at) => self.replace(at),
            Happening::Retire(at) => {
                let id = self.pods[at];
                self.change(|view, _| {
                    view.retired.insert(id);
                });
            }
            Happening::Revive => self.change(|view, _| view.retired.clear()),
        }
        self.check();
    }

    fn tell(&mut self, at: usize, what: impl FnOnce(&mut Gate)) {
        if let Some(gate) = &mut self.places[at].gate {
            what(gate);
        }
    }

    fn arrive(&mut self, at: usize, n: u32) {
        let now = self.now;
        for _ in 0..n {
            let until = self.until();
            self.tell(at, |gate| gate.arrive(now, until));
        }
    }

    fn replace(&mut self, at: usize) {
        let (old, new) = (self.pods[at], self.pods.iter().max().expect("some") + 1);
        self.made.insert(new, self.now);
        self.change(|view, pods| {
            pods[at] = new;
            for ids in [&mut view.exist, &mut view.ready] {
                ids.remove(&old);
                ids.insert(new);
            }
        });
    }

    /// Everybody sees it, one sooner than another.
    fn change(&mut self, change: impl FnOnce(&mut View, &mut Vec<u64>)) {
        change(&mut self.view, &mut self.pods);
        for at in 0..self.places.len() {
            let last = self.places[at].sees.back().map_or(self.now, |(at, _)| *at);
            let when = self.soon(40).max(last);
            self.places[at].sees.push_back((when, self.view.clone()));
        }
        self.raise_peaks();
    }

    fn raise_peaks(&mut self) {
        let limit = u64::from(if self.view.limit == 0 {
            UNLIMITED
        } else {
            self.view.limit
        });
        for &id in &self.pods {
            let peak = self.peak.entry(id).or_insert(limit);
            *peak = limit.max(*peak);
        }
    }

    fn cut(&mut self, at: usize, dials: Option<Instant>) {
        let place = &mut self.places[at];
        place.down.clear();
        place.up.clear();
        place.joined = false;
        place.dials = dials;
    }

    fn silence(&mut self, at: usize, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        self.cut(at, Some(until));
        if let Some(gate) = &self.places[at].gate {
            let id = gate.id.clone();
            let orders = self.book.silent(&id, self.now);
            self.send(orders);
        }
    }

    fn kill(&mut self, at: usize, ms: u64) {
        self.cut(at, None);
        let place = &mut self.places[at];
        let Some(gate) = place.gate.take() else {
            return;
        };
        place.born = self.now + Duration::from_millis(ms);
        place.reign = 0;
        self.ghosts.extend(gate.running.iter().map(|running| Ghost {
            of: gate.id.clone(),
            replica: running.seat.replica.0,
            ends: running.ends,
            given_up: false,
        }));
        self.last_death = Some(self.now);
        self.deaths.push((self.now, gate.id.clone()));
        if self.leader == Some(at) {
            self.depose();
        } else {
            let orders = self.book.silent(&gate.id, self.now);
            self.send(orders);
        }
    }
}
