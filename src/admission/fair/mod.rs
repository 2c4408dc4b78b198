//! The fair order of a line: who is more important first, and among equals every tenant in turn.
//!
//! A request begins in the level of its class, and the highest level that holds anybody is served. In
//! a level tenants take turns, one request each, a tenant that comes new behind those that are there;
//! a tenant's own requests go in the order in which they came. Whenever a tenant's oldest request of a
//! level has been there for `ageing`, and the tenant was served nothing there meanwhile, it rises to the
//! next.
//!
//! So whoever is the oldest of its tenant and class is at the top after three ageings, and served there
//! after at most one request of each other tenant for each of its own tenant's before it: nobody waits
//! for ever. Requests do not age by themselves: a tenant that is served in its turns, and has many that
//! wait for that, does not get ahead by having many.
//!
//! Turns, one request each, are deficit round robin (Shreedhar and Varghese, 1995) for requests that
//! all weigh the same: nothing is ever left over to be carried into the next round.

mod level;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use level::{Left, Level, Order, Queue};

use super::{Class, Tenant, Terms, Ticket};

const LEVELS: usize = Class::ALL.len();

/// What a line knows of the order in which its requests are served, beside who they are.
#[derive(Debug)]
pub(super) struct Fair {
    ageing: Duration,
    max_tenants: usize,
    levels: [Level; LEVELS],
    waiting: HashMap<Ticket, Waiting>,
    /// Whose oldest request rises next, from which level, and when.
    rises: BTreeSet<(Instant, usize, Tenant)>,
    tenants: HashMap<Tenant, Share>,
    /// Tenants that wait and have a share of their own.
    own: usize,
}

/// A request that waits.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    class: Class,
    tenant: Tenant,
    level: usize,
    /// Since when it is in that level.
    since: Instant,
    /// Whose queue it is in.
    queue: Tenant,
}

/// A tenant that waits.
#[derive(Debug)]
struct Share {
    waiting: usize,
    is_own: bool,
}

impl Fair {
    pub(super) fn new(ageing: Duration, max_tenants: usize) -> Self {
        Self {
            ageing,
            max_tenants,
            levels: Default::default(),
            waiting: HashMap::new(),
            rises: BTreeSet::new(),
            tenants: HashMap::new(),
            own: 0,
        }
    }

    /// Tenants that have a share keep it as long as they wait.
    pub(super) fn set(&mut self, ageing: Duration, max_tenants: usize) {
        (self.ageing, self.max_tenants) = (ageing, max_tenants);
        self.rises.clear();
        for (number, level) in self.levels.iter().enumerate().skip(1) {
            let rises = |(&name, queue): (&Tenant, &Queue)| (queue.since + ageing, number, name);
            self.rises.extend(level.queues.iter().map(rises));
        }
    }

    /// Joins the line.
    pub(super) fn join(&mut self, ticket: Ticket, terms: Terms, now: Instant) {
        self.rise(now);
        let (class, tenant) = (terms.class, terms.tenant);
        self.take_share(tenant);
        let waiting = Waiting {
            class,
            tenant,
            level: usize::from(class.number()),
            queue: self.queue_of(tenant),
            since: now,
        };
        self.enter(ticket, waiting);
    }

    /// Comes back, having had its turn, so before everybody in the level to which it can have risen, and
    /// there as long as it can have been. That turn was the only one it takes.
    pub(super) fn rejoin(&mut self, ticket: Ticket, terms: Terms, since: Instant, now: Instant) {
        self.rise(now);
        let (class, tenant) = (terms.class, terms.tenant);
        self.take_share(tenant);
        let waited = now.saturating_duration_since(since).as_nanos();
        let risen = waited / self.ageing.as_nanos().max(1);
        let risen = u8::try_from(risen).unwrap_or(u8::MAX);
        let waiting = Waiting {
            class,
            tenant,
            level: usize::from(class.number().saturating_sub(risen)),
            queue: Tenant::BACK,
            since: since + self.ageing * u32::from(risen),
        };
        self.enter(ticket, waiting);
    }

    /// One more of a tenant waits. Who waits keeps the share as long as any of his do: so a tenant's
    /// own requests never overtake each other.
    fn take_share(&mut self, tenant: Tenant) {
        let room = self.own < self.max_tenants;
        let share = self.tenants.entry(tenant).or_insert_with(|| {
            self.own += usize::from(room);
            Share {
                waiting: 0,
                is_own: room,
            }
        });
        share.waiting += 1;
    }

    fn leave_share(&mut self, tenant: Tenant) {
        if let Some(share) = self.tenants.get_mut(&tenant) {
            share.waiting -= 1;
            if share.waiting == 0 {
                self.own -= usize::from(share.is_own);
                self.tenants.remove(&tenant);
            }
        }
    }

    /// Whose queue a tenant's requests wait in, or would.
    fn queue_of(&self, tenant: Tenant) -> Tenant {
        let room = self.own < self.max_tenants;
        let own = self.tenants.get(&tenant).map_or(room, |share| share.is_own);
        if own { tenant } else { Tenant::OTHERS }
    }

    fn enter(&mut self, ticket: Ticket, waiting: Waiting) {
        let (number, name, since) = (waiting.level, waiting.queue, waiting.since);
        let level = &mut self.levels[number];
        level.len += 1;
        match level.line_up(name, ticket, since) {
            Order::New if number > 0 => {
                self.rises.insert((since + self.ageing, number, name));
            }
            Order::First => self.age_from(number, name, since),
            Order::New | Order::Behind => {}
        }
        self.waiting.insert(ticket, waiting);
        self.age_back(number, name);
    }

    /// Those who are back are no tenant: each waits for itself, and rises when it has waited.
    fn age_back(&mut self, number: usize, name: Tenant) {
        if name == Tenant::BACK
            && let Some((since, _)) = self.longest_back(number)
        {
            self.age_from(number, name, since);
        }
    }

    /// Who of those who are back is in a level for longest, and since when.
    fn longest_back(&self, number: usize) -> Option<(Instant, Ticket)> {
        let back = self.levels[number].queues.get(&Tenant::BACK)?;
        let all = back.tickets.iter();
        all.map(|&ticket| (self.waiting[&ticket].since, ticket))
            .min()
    }

    /// What is the oldest of a queue now rises an ageing after this.
    fn age_from(&mut self, number: usize, name: Tenant, since: Instant) {
        let Some(queue) = self.levels[number].queues.get_mut(&name) else {
            return;
        };
        let before = std::mem::replace(&mut queue.since, since);
        if number > 0 {
            self.rises.remove(&(before + self.ageing, number, name));
            self.rises.insert((since + self.ageing, number, name));
        }
    }

    /// It waits here no longer.
    fn exit(&mut self, ticket: Ticket) -> Option<Waiting> {
        let waiting = self.waiting.remove(&ticket)?;
        let (number, name) = (waiting.level, waiting.queue);
        let level = &mut self.levels[number];
        level.len -= 1;
        match level.leave(name, ticket) {
            Left::Nobody { since } => {
                self.rises.remove(&(since + self.ageing, number, name));
            }
            Left::Head { since, next } => {
                // Nobody rises by what another has waited.
                let entered = self.waiting[&next].since;
                self.age_from(number, name, since.max(entered));
            }
            Left::Same => {}
        }
        self.age_back(number, name);
        Some(waiting)
    }

    /// It leaves the line, served or not.
    pub(super) fn remove(&mut self, ticket: Ticket) {
        if let Some(waiting) = self.exit(ticket) {
            self.leave_share(waiting.tenant);
        }
    }

    /// Whose turn it is; the turn is taken by this.
    pub(super) fn next(&mut self, now: Instant) -> Option<Ticket> {
        self.rise(now);
        let number = self.levels.iter().position(|level| level.len > 0)?;
        let level = &mut self.levels[number];
        let name = level.take_turn();
        let ticket = level.queues[&name].tickets.first().copied();
        let ticket = ticket.expect("a queue holds somebody");
        self.age_from(number, name, now);
        self.remove(ticket);
        Some(ticket)
    }

    /// Whoever has waited long enough rises, as of the moment at which he had.
    fn rise(&mut self, now: Instant) {
        while let Some(&(at, number, name)) = self.rises.first()
            && at <= now
        {
            let oldest = if name == Tenant::BACK {
                self.longest_back(number).map(|(_, ticket)| ticket)
            } else {
                self.levels[number].queues[&name].tickets.first().copied()
            };
            let ticket = oldest.expect("a queue holds somebody");
            self.age_from(number, name, at);
            let mut waiting = self.exit(ticket).expect("who is in a queue waits");
            waiting.level -= 1;
            waiting.since = at;
            self.enter(ticket, waiting);
        }
    }

    /// How many are served before it if nobody else comes and nobody rises.
    pub(super) fn position(&mut self, ticket: Ticket, now: Instant) -> Option<usize> {
        self.rise(now);
        let waiting = self.waiting.get(&ticket)?;
        Some(self.before(waiting.level, waiting.queue, ticket))
    }

    /// How many would be served before one that came now.
    pub(super) fn ahead_of(&mut self, terms: Terms, now: Instant) -> usize {
        self.rise(now);
        let level = usize::from(terms.class.number());
        self.before(level, self.queue_of(terms.tenant), Ticket(u64::MAX))
    }

    fn before(&self, level: usize, queue: Tenant, ticket: Ticket) -> usize {
        let above = self.levels[..level].iter().map(|level| level.len);
        above.sum::<usize>() + self.levels[level].before(queue, ticket)
    }

    /// Who makes room for one that comes while the line is full: the newest request of whichever
    /// tenant has most waiting in the least important level that holds anybody, if that level is less
    /// important than the class of the one that comes, or is its own and that tenant would still
    /// have no less waiting there than the one that comes.
    pub(super) fn gives_way(&mut self, terms: Terms, now: Instant) -> Option<Ticket> {
        self.rise(now);
        let class = usize::from(terms.class.number());
        let least = self.levels.iter().rposition(|l| !l.round.is_empty())?;
        let level = &self.levels[least];
        let in_turn = level.round.values().map(|name| (name, &level.queues[name]));
        let (_, heaviest) = in_turn.max_by_key(|(name, queue)| (queue.tickets.len(), **name))?;
        let mine = level.queues.get(&self.queue_of(terms.tenant));
        let mine = mine.map_or(0, |queue| queue.tickets.len());
        let gives_way = least > class || (least == class && heaviest.tickets.len() > mine + 1);
        let newest = heaviest.tickets.last().copied();
        newest.filter(|_| gives_way)
    }

    /// How many of each class wait, the most important first.
    pub(super) fn depths(&self) -> [usize; LEVELS] {
        let mut depths = [0; LEVELS];
        for waiting in self.waiting.values() {
            depths[usize::from(waiting.class.number())] += 1;
        }
        depths
    }

    /// The tenants that have most waiting, so many of them.
    pub(super) fn busiest(&self, count: usize) -> Vec<(Tenant, usize)> {
        let mut all: Vec<_> = self.tenants.iter().map(|(t, s)| (*t, s.waiting)).collect();
        all.sort_by_key(|&(tenant, waiting)| (std::cmp::Reverse(waiting), tenant));
        all.truncate(count);
        all
    }
}
