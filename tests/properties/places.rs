//! Whatever is asked for, taken back, taken away and given back, in whatever order: no device is in
//! two hands, no bound is exceeded, nobody waits beside what fits, nobody overtakes, and what is
//! taken was idle and not needed.

use std::collections::BTreeMap;

use holdgate::backend::places::arbiter::{Arbiter, Idle, Party, PlaceId, Standing};
use holdgate::revision::{ReplicaId, RevisionId};
use proptest::prelude::*;

/// One thing that happens. Numbers pick among whoever is there.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A party wants one more replica with so many devices; urgently or not.
    Ask(usize, usize, bool),
    Withdraw(usize),
    /// So many of its replicas are never taken.
    Keep(usize, usize),
    /// A replica is in service.
    Serve(usize),
    /// It answers something, or nothing any more.
    Work(usize),
    /// It is asked to end.
    Stop(usize),
    /// Nothing is left of it.
    End(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let who = any::<usize>;
    prop_oneof![
        6 => (who(), 0..4usize, any::<bool>()).prop_map(|(p, n, u)| Event::Ask(p, n, u)),
        1 => who().prop_map(Event::Withdraw),
        1 => (who(), 0..3usize).prop_map(|(p, n)| Event::Keep(p, n)),
        5 => who().prop_map(Event::Serve),
        3 => who().prop_map(Event::Work),
        1 => who().prop_map(Event::Stop),
        4 => who().prop_map(Event::End),
    ]
}

#[derive(Clone, Copy, Debug)]
struct Wish {
    devices: usize,
    urgent: bool,
    turn: usize,
}

#[derive(Clone, Debug)]
struct Replica {
    id: ReplicaId,
    party: Party,
    devices: Vec<String>,
    standing: Standing,
    busy: bool,
}

/// What must be true, kept beside what the arbiter believes.
struct Ledger {
    arbiter: Arbiter,
    parties: Vec<Party>,
    limit: usize,
    devices: usize,
    wishes: BTreeMap<Party, Wish>,
    keeps: BTreeMap<Party, usize>,
    replicas: BTreeMap<PlaceId, Replica>,
    count: usize,
}

impl Ledger {
    fn new(limit: usize, devices: usize) -> Self {
        let names = (0..devices).map(|i| i.to_string()).collect();
        let mut arbiter = Arbiter::new(limit, names);
        let parties = ["a", "b", "c", "d"].map(|name| arbiter.join(RevisionId::new(name), 0));
        Self {
            arbiter,
            parties: parties.to_vec(),
            limit,
            devices,
            wishes: BTreeMap::new(),
            keeps: BTreeMap::new(),
            replicas: BTreeMap::new(),
            count: 0,
        }
    }

    fn happen(&mut self, event: Event) {
        self.count += 1;
        match event {
            Event::Ask(i, devices, urgent) => self.ask(i, devices, urgent),
            Event::Withdraw(i) => {
                let party = self.party(i);
                self.arbiter.withdraw(party);
                self.wishes.remove(&party);
            }
            Event::Keep(i, keeps) => {
                let party = self.party(i);
                self.arbiter.keep(party, keeps);
                self.keeps.insert(party, keeps);
            }
            Event::Serve(i) => self.change(i, |replica| {
                if replica.standing == Standing::Kept {
                    replica.standing = Standing::Serving(tokio::time::Instant::now().into_std());
                }
            }),
            Event::Work(i) => self.change(i, |replica| replica.busy = !replica.busy),
            Event::Stop(i) => self.change(i, |replica| replica.standing = Standing::Going),
            Event::End(i) => {
                let ended = self.replicas.keys().nth(i % self.replicas.len().max(1));
                if let Some(place) = ended.copied() {
                    self.arbiter.release(place);
                    self.replicas.remove(&place);
                }
            }
        }
        self.tell_standings();
        self.grant();
        self.take();
    }

    fn ask(&mut self, i: usize, devices: usize, urgent: bool) {
        let party = self.party(i);
        self.arbiter.ask(party, devices);
        self.arbiter.set_urgent(party, urgent);
        let turn = self.wishes.get(&party).map_or(self.count, |wish| wish.turn);
        let wish = Wish {
            devices,
            urgent,
            turn,
        };
        self.wishes.insert(party, wish);
    }

    fn party(&self, i: usize) -> Party {
        self.parties[i % self.parties.len()]
    }

    fn change(&mut self, i: usize, change: impl FnOnce(&mut Replica)) {
        let at = i % self.replicas.len().max(1);
        if let Some(replica) = self.replicas.values_mut().nth(at) {
            change(replica);
        }
    }

    fn tell_standings(&mut self) {
        for party in &self.parties {
            let own = self.replicas.values().filter(|r| r.party == *party);
            let standings: Vec<_> = own.map(|r| (r.id, r.standing)).collect();
            self.arbiter.shut(*party);
            self.arbiter.open(*party, &standings);
        }
    }

    fn grant(&mut self) {
        for (party, place) in self.arbiter.grant() {
            let wish = self.wishes.remove(&party).expect("who gets a place asked");
            let devices = self.arbiter.devices(place);
            assert_eq!(devices.len(), wish.devices);
            let ahead = |other: &&Wish| (!other.urgent, other.turn) < (!wish.urgent, wish.turn);
            for other in self.wishes.values().filter(ahead) {
                assert!(other.devices > wish.devices, "{wish:?} overtook {other:?}");
            }
            let id = ReplicaId(u64::try_from(self.count).expect("few"));
            self.count += 1;
            self.arbiter.assign(place, id);
            let replica = Replica {
                id,
                party,
                devices,
                standing: Standing::Kept,
                busy: false,
            };
            self.replicas.insert(place, replica);
        }
    }

    fn take(&mut self) {
        let idle = self.replicas.values().filter(|r| !r.busy);
        let idle: Vec<Idle> = idle
            .map(|r| Idle {
                party: r.party,
                replica: r.id,
                since: None,
            })
            .collect();
        while let Some(taking) = self.arbiter.victim(&idle) {
            self.arbiter.take(&taking.idle);
            let mut replicas = self.replicas.values_mut();
            let taken = replicas.find(|r| r.id == taking.idle.replica);
            let taken = taken.expect("it is there");
            assert!(!taken.busy && matches!(taken.standing, Standing::Serving(_)));
            taken.standing = Standing::Going;
            let party = taken.party;
            let keeps = self.keeps.get(&party).copied().unwrap_or(0);
            let left = self
                .replicas
                .values()
                .filter(|r| r.party == party && matches!(r.standing, Standing::Serving(_)));
            assert!(left.count() >= keeps, "fewer than are always wanted");
            assert!(self.wishes.values().any(|wish| wish.urgent));
        }
    }

    fn check(&self) {
        assert!(self.replicas.len() <= self.limit);
        let mut held: Vec<&String> = self.replicas.values().flat_map(|r| &r.devices).collect();
        held.sort();
        let before = held.len();
        held.dedup();
        assert_eq!(held.len(), before, "a device in two hands: {held:?}");
        let (places, free) = (self.limit - self.replicas.len(), self.devices - before);
        for (party, wish) in &self.wishes {
            let fits = places > 0 && (wish.devices == 0 || wish.devices <= free);
            let ahead = |other: &&Wish| (!other.urgent, other.turn) < (!wish.urgent, wish.turn);
            let mut before = self.wishes.values().filter(ahead);
            // Only for one that came before, needs more, and may get it, is anything held back.
            let held_back = wish.devices > 0
                && before.any(|other| other.devices > free && other.devices <= self.devices);
            assert!(!fits || held_back, "{party:?} waits beside what fits");
            assert!(self.arbiter.lacks(*party).is_some());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_places_of_a_machine_keep_their_laws(
        limit in 1..6usize,
        devices in 0..5usize,
        events in prop::collection::vec(event(), 1..80),
    ) {
        let mut ledger = Ledger::new(limit, devices);
        for event in events {
            ledger.happen(event);
            ledger.check();
        }
    }
}
