//! Where the gateways listen for callers of a Service: a number that nobody else has, and the same one
//! whenever that is possible.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::facts::{DoorSight, Place};

/// Whose a number is: a port of a Service, by name.
type Whose = (Place, Option<String>);

/// Which numbers are given away.
#[derive(Debug)]
pub(super) struct Numbers {
    range: RangeInclusive<u16>,
    /// As far as slices tell; of two that have the same one, it is the older's.
    held: HashMap<u16, Whose>,
    /// Those that were given away since, by whom they are for.
    given: BTreeMap<Whose, u16>,
    /// Those at which callers of headless Services come in.
    headless: HashSet<u16>,
}

impl Numbers {
    pub(super) fn new(range: RangeInclusive<u16>) -> Self {
        Self {
            range,
            held: HashMap::new(),
            given: BTreeMap::new(),
            headless: HashSet::new(),
        }
    }

    /// What the slices say now. Those of headless Services have numbers of their own.
    pub(super) fn see(&mut self, sight: &DoorSight) {
        let headless = |at: &Place| sight.services.get(at).is_some_and(|it| it.headless);
        let (headless, mut slices): (Vec<_>, Vec<_>) =
            sight.slices.iter().partition(|(at, _)| headless(at));
        let ports = headless.iter().flat_map(|(_, slice)| &slice.ports);
        self.headless = ports.map(|port| port.number).collect();
        slices.sort_by_key(|(_, slice)| (slice.created, slice.at.uid.clone()));
        self.held.clear();
        for (at, slice) in slices {
            for port in &slice.ports {
                let whose = (at.clone(), port.name.clone());
                self.held.entry(port.number).or_insert(whose);
            }
        }
        let held: HashSet<&Whose> = self.held.values().collect();
        self.given.retain(|whose, number| {
            let is_there = sight.services.contains_key(&whose.0);
            let is_anothers = self.held.get(number).is_some_and(|it| it.0 != whose.0);
            is_there && !held.contains(whose) && !is_anothers
        });
    }

    /// Whether callers of another Service come in there, who are led by that number alone.
    pub(super) fn is_given(&self, number: u16) -> bool {
        self.held.contains_key(&number) || self.given.values().any(|given| *given == number)
    }

    /// That of a port of a Service, which has ports of these names; `None` where all are given away. Where
    /// a port is called otherwise now, the gateways listen at its number already.
    pub(super) fn give(
        &mut self,
        at: &Place,
        port: Option<&String>,
        names: &[&Option<String>],
    ) -> Option<u16> {
        let whose = (at.clone(), port.cloned());
        let mut held = self.held.iter().filter(|(_, it)| **it == whose);
        let known = held.next().map(|(number, _)| *number);
        if let Some(number) = known.or_else(|| self.given.get(&whose).copied()) {
            return Some(number);
        }
        let given: HashSet<u16> = self.given.values().copied().collect();
        let free = |number: &u16| {
            let is_led = self.held.contains_key(number) || self.headless.contains(number);
            !is_led && !given.contains(number)
        };
        let left = |(place, port): &Whose| place == at && !names.contains(&port);
        let left = self.held.iter().filter(|(_, it)| left(it));
        let left = left.map(|(number, _)| *number);
        let left = left.filter(|number| self.range.contains(number) && !given.contains(number));
        let number = left.min().or_else(|| self.from(&whose).find(free))?;
        self.given.insert(whose, number);
        Some(number)
    }

    /// All of them, beginning with one that is the same for the same port: what is gone and comes back has
    /// its number again, and a caller who is late does not come to somebody else.
    fn from(&self, whose: &Whose) -> impl Iterator<Item = u16> {
        let (first, last) = (u32::from(*self.range.start()), u32::from(*self.range.end()));
        let many = (last + 1).saturating_sub(first);
        let begin = u32::try_from(fingerprint(whose) % u64::from(many.max(1))).unwrap_or(0);
        let number = move |n| u16::try_from(first + (begin + n) % many).unwrap_or(u16::MAX);
        (0..many).map(number)
    }
}

fn fingerprint(((namespace, name), port): &(Place, Option<String>)) -> u64 {
    let mut hasher = DefaultHasher::new();
    let place: [&Arc<str>; 2] = [namespace, name];
    (place, port).hash(&mut hasher);
    hasher.finish()
}
