//! A few gateways, the replicas they share, and the lines between them and their leader: what is
//! said arrives in order, late, or not at all where a line breaks.

mod gate;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use gate::{Gate, View, pod};
use holdgate::admission::Ticket;
use holdgate::shares::{Book, MemberId, Order, Pod, Slots, UNLIMITED, Word};

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

/// What is measured is not longer.
const LONGEST: u64 = 400;
const STEP: Duration = Duration::from_millis(5);
/// It takes so long until a death is known, or another leads.
const NOTICED: Duration = Duration::from_millis(700);

enum Said {
    /// To a member: this is the leader, what do you hold?
    Led,
    Ordered(Order),
    /// To the leader: this is what is held.
    Holds(Vec<Slots>),
    Word(Word),
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
    ghosts: Vec<(u64, Instant)>,
    /// What a replica may have to hold since its limit was changed.
    peak: BTreeMap<u64, u64>,
    /// Who is first in each line, and since when a slot idles elsewhere all the while.
    vain: Vec<Option<(Ticket, Instant)>>,
    calm: bool,
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
        let place = |_| Place {
            gate: None,
            lives: 0,
            born: now,
            dials: None,
            reign: 0,
            joined: false,
            down: Line::new(),
            up: Line::new(),
            sees: VecDeque::new(),
        };
        let mut town = Self {
            now,
            random,
            view,
            pods,
            places: (0..gates).map(place).collect(),
            leader: None,
            leads_from: now,
            reign: 0,
            book: Book::new(),
            deaths: Vec::new(),
            last_death: None,
            released: true,
            ghosts: Vec::new(),
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

    pub(crate) fn happen(&mut self, happening: Happening) {
        let now = self.now;
        let of = |n: usize| n % self.places.len();
        match happening {
            Happening::Arrive(at, n) => {
                let at = of(at);
                for _ in 0..n {
                    let until = self.soon(LONGEST);
                    if let Some(gate) = &mut self.places[at].gate {
                        gate.arrive(now, until);
                    }
                }
            }
            Happening::HangUp(at) | Happening::Abandon(at) => {
                let at = of(at);
                match (&mut self.places[at].gate, happening) {
                    (Some(gate), Happening::HangUp(_)) => gate.hang_up(now),
                    (Some(gate), _) => gate.abandon(now),
                    (None, _) => {}
                }
            }
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
            Happening::Replace(at) => self.change(|view, pods| {
                let (old, new) = (pods[at], pods.iter().max().expect("some") + 1);
                pods[at] = new;
                for ids in [&mut view.exist, &mut view.ready] {
                    ids.remove(&old);
                    ids.insert(new);
                }
            }),
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
        let inside = gate
            .running
            .iter()
            .map(|(_, seat, end, _)| (seat.replica.0, *end));
        self.ghosts.extend(inside);
        self.last_death = Some(self.now);
        self.deaths.push((self.now, gate.id.clone()));
        if self.leader == Some(at) {
            self.depose();
        } else {
            let orders = self.book.silent(&gate.id, self.now);
            self.send(orders);
        }
    }

    /// The book is gone with who kept it; what was said by it may still arrive.
    fn depose(&mut self) {
        self.leader = None;
        self.leads_from = self.now + NOTICED;
        self.book = Book::new();
        self.released = true;
        for place in &mut self.places {
            place.up.clear();
            (place.joined, place.dials) = (false, None);
        }
    }

    fn lead(&mut self, at: usize) {
        self.leader = Some(at);
        self.reign += 1;
        self.released = false;
        self.book.withhold_unclaimed();
        self.tell_book(at);
        for place in &mut self.places {
            place.dials = place.gate.as_ref().map(|_| self.now);
        }
    }

    fn tell_book(&mut self, leader: usize) {
        let gate = self.places[leader].gate.as_ref().expect("who leads lives");
        let slots = if gate.view.limit == 0 {
            UNLIMITED
        } else {
            gate.view.limit
        };
        let ready = gate.view.ready.iter();
        let ready: Vec<Slots> = ready
            .map(|&id| Slots {
                pod: pod(id),
                slots,
            })
            .collect();
        let retired: Vec<Pod> = gate.view.retired.iter().map(|&id| pod(id)).collect();
        let orders = self.book.set(&ready, &retired, self.now);
        self.send(orders);
    }

    fn send(&mut self, orders: Vec<(MemberId, Order)>) {
        for (to, order) in orders {
            let gates = self.places.iter();
            let at = { gates }.position(|p| p.gate.as_ref().is_some_and(|gate| gate.id == to));
            if let Some(at) = at.filter(|&at| self.places[at].joined) {
                let (when, reign) = (self.soon(15), self.reign);
                push(&mut self.places[at].down, when, reign, Said::Ordered(order));
            }
        }
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while self.now < end {
            self.now += STEP;
            self.step();
            self.check();
        }
    }

    fn step(&mut self) {
        let now = self.now;
        self.ghosts.retain(|(_, end)| *end > now);
        for at in 0..self.places.len() {
            self.live(at);
        }
        if self.leader.is_none() && now >= self.leads_from {
            let alive: Vec<usize> = {
                let alive = |at: &usize| self.places[*at].gate.is_some();
                (0..self.places.len()).filter(alive).collect()
            };
            if !alive.is_empty() {
                let turn = self.dice(alive.len() as u64);
                self.lead(alive[usize::try_from(turn).expect("few")]);
            }
        }
        if self.leader.is_some() {
            self.keep_book();
        }
    }

    fn live(&mut self, at: usize) {
        let (now, until) = (self.now, self.soon(LONGEST));
        if self.places[at].gate.is_none() && now >= self.places[at].born {
            let place = &mut self.places[at];
            place.lives += 1;
            place.sees.clear();
            let (pod, life) = (format!("g{at}").into(), place.lives);
            place.gate = Some(Gate::new(MemberId { pod, life }, &self.view, now));
            place.dials = Some(now);
        }
        while let Some((_, view)) = self.places[at].sees.pop_front_if(|(when, _)| *when <= now) {
            if let Some(gate) = &mut self.places[at].gate {
                gate.see(view, now, until);
            }
            if self.leader == Some(at) {
                self.tell_book(at);
            }
        }
        let Some(gate) = &mut self.places[at].gate else {
            return;
        };
        gate.finish(now, until);
        let mut words = Vec::new();
        while let Some((_, reign, said)) = self.places[at].down.pop_front_if(|s| s.0 <= now) {
            words.extend(self.hear(at, reign, said));
        }
        let place = &mut self.places[at];
        let gate = place.gate.as_mut().expect("it lives");
        // What is said while nobody hears it is said in what is held.
        if place.joined || place.reign == self.reign {
            words.extend(gate.say(now).into_iter().map(Said::Word));
        }
        for said in words {
            let (when, reign) = (self.soon(15), self.places[at].reign);
            push(&mut self.places[at].up, when, reign, said);
        }
    }

    /// A member hears what a leader says.
    fn hear(&mut self, at: usize, reign: u64, said: Said) -> Vec<Said> {
        let (now, until) = (self.now, self.soon(LONGEST));
        let place = &mut self.places[at];
        let gate = place.gate.as_mut().expect("it lives");
        match said {
            Said::Led if reign >= place.reign => {
                place.reign = reign;
                place.down.retain(|(_, said_in, _)| *said_in >= reign);
                vec![Said::Holds(gate.holds())]
            }
            Said::Ordered(order) if reign == place.reign => {
                let words = gate.obey(order, now, until);
                words.into_iter().map(Said::Word).collect()
            }
            _ => Vec::new(),
        }
    }

    fn keep_book(&mut self) {
        let now = self.now;
        for at in 0..self.places.len() {
            if self.places[at].dials.is_some_and(|when| when <= now) {
                self.cut(at, None);
                let (when, reign) = (self.soon(15), self.reign);
                push(&mut self.places[at].down, when, reign, Said::Led);
            }
            while let Some((_, reign, said)) = self.places[at].up.pop_front_if(|s| s.0 <= now) {
                if reign == self.reign {
                    self.note(at, said);
                }
            }
        }
        let known: Vec<(Instant, MemberId)> = {
            self.deaths
                .extract_if(.., |(died, _)| now >= *died + NOTICED)
        }
        .collect();
        let wait = Duration::from_millis(LONGEST);
        for (died, member) in known {
            let orders = self.book.ended(&member, died, wait, now);
            self.send(orders);
        }
        let heard = self.places.iter().all(|p| p.gate.is_none() || p.joined);
        if !self.released && heard && self.deaths.is_empty() {
            self.released = true;
            let since = self.last_death.unwrap_or(now - wait);
            let orders = self.book.release_unclaimed(since, wait, now);
            self.send(orders);
        }
        if self.book.wake().is_some_and(|at| at <= now) {
            let orders = self.book.tick(now);
            self.send(orders);
        }
    }

    fn note(&mut self, at: usize, said: Said) {
        let member = self.places[at].gate.as_ref().expect("it lives").id.clone();
        let orders = match said {
            Said::Holds(holds) => {
                self.places[at].joined = true;
                self.book.join(&member, &holds, self.now)
            }
            Said::Word(Word::Returned(slots)) => self.book.returned(&member, &slots, self.now),
            Said::Word(Word::Report(report)) => self.book.report(&member, &report, self.now),
            Said::Led | Said::Ordered(_) => unreachable!("a leader says that"),
        };
        self.send(orders);
    }

    fn gates(&self) -> impl Iterator<Item = &Gate> {
        self.places.iter().filter_map(|place| place.gate.as_ref())
    }

    /// Slots that are somebody's or may become so by what is on its way.
    fn used(&self, id: u64) -> u64 {
        let ours = self
            .gates()
            .map(|gate| gate.ours().get(&id).copied().unwrap_or(0));
        let granted = self.places.iter().flat_map(|place| {
            let heard = place
                .down
                .iter()
                .filter(|(_, reign, _)| *reign >= place.reign);
            heard.filter_map(|(_, _, said)| match said {
                Said::Ordered(Order::Grant(s)) if s.pod == pod(id) => Some(s.slots),
                _ => None,
            })
        });
        let ghosts = self.ghosts.iter().filter(|(replica, _)| *replica == id);
        ours.chain(granted).map(u64::from).sum::<u64>() + ghosts.count() as u64
    }

    fn inside(&self, id: u64) -> u64 {
        let ghosts = self.ghosts.iter().filter(|(replica, _)| *replica == id);
        let inside: usize = self.gates().map(|gate| gate.inside(id)).sum();
        (inside + ghosts.count()) as u64
    }

    fn check(&mut self) {
        self.raise_peaks();
        let all_see = self.places.iter().all(|place| place.sees.is_empty());
        let limit = u64::from(if self.view.limit == 0 {
            UNLIMITED
        } else {
            self.view.limit
        });
        for &id in &self.pods {
            let (used, inside) = (self.used(id), self.inside(id));
            let peak = self.peak.get_mut(&id).expect("raised");
            if *peak < u64::from(UNLIMITED) {
                assert!(inside <= *peak, "{inside} inside {id}, at most {peak}");
                assert!(
                    used <= *peak,
                    "{used} of {id} are somebody's, at most {peak}"
                );
            }
            if all_see && used <= limit {
                *peak = limit;
            }
            let vacant = self.released && self.leader.is_some() && self.book.is_vacant(&pod(id));
            assert!(!vacant || inside == 0, "{id} is called vacant");
        }
        self.check_nobody_waits_in_vain();
    }

    fn check_nobody_waits_in_vain(&mut self) {
        let limit = u64::from(self.view.limit);
        let serves = |id: &&u64| self.view.ready.contains(id) && !self.view.retired.contains(id);
        let mut pods = self.pods.iter().filter(serves);
        let free = pods.any(|&id| limit == 0 || self.inside(id) < limit);
        let free = self.calm && free;
        let first = |place: &Place| place.gate.as_ref()?.waiting.first().copied();
        let first: Vec<Option<Ticket>> = self.places.iter().map(first).collect();
        for (first, vain) in first.into_iter().zip(&mut self.vain) {
            match (first.filter(|_| free), &*vain) {
                (None, _) => *vain = None,
                (Some(first), Some((same, since))) if first == *same => {
                    let waited = self.now - *since;
                    assert!(waited <= Duration::from_secs(1), "somebody waits in vain");
                }
                (Some(first), _) => *vain = Some((first, self.now)),
            }
        }
    }

    /// Nothing bad happens any more. All slots come to use, and requests go on coming.
    pub(crate) fn calm_down(&mut self) {
        self.happen(Happening::Revive);
        for id in self.pods.clone() {
            self.change(|view, _| {
                view.ready.insert(id);
            });
        }
        self.pass(3000);
        self.calm = true;
        for _ in 0..40 {
            let at = usize::try_from(self.dice(9)).expect("few");
            let most = 1 + 3 * self.view.limit.min(5);
            let n = u32::try_from(self.dice(most.into())).expect("few");
            self.happen(Happening::Arrive(at, n));
            let then = self.dice(250);
            self.pass(then);
        }
        self.pass(5000);
        assert!(self.gates().all(|gate| gate.waiting.is_empty()), "served");
        let limit = if self.view.limit == 0 {
            UNLIMITED
        } else {
            self.view.limit
        };
        for &id in &self.pods {
            let held = self
                .gates()
                .map(|gate| gate.ours().get(&id).copied().unwrap_or(0));
            let held: Vec<u32> = held.collect();
            if limit == UNLIMITED {
                assert!(held.iter().all(|&held| held == UNLIMITED), "{held:?}");
            } else {
                assert_eq!(
                    held.iter().sum::<u32>(),
                    limit,
                    "all are somebody's: {held:?}"
                );
            }
        }
    }
}

/// What is said arrives in the order in which it was.
fn push(line: &mut Line, when: Instant, reign: u64, said: Said) {
    let last = line.back().map_or(when, |(at, _, _)| *at);
    line.push_back((when.max(last), reign, said));
}
