//! Who gets what, as tables. A scene is a few revisions by their letters; `a2` is the second
//! replica of `a`.

use std::time::Duration;

use super::arbiter::{Arbiter, Idle, Party, PlaceId, Standing};
use crate::autoscale::Shortage;
use crate::revision::{ReplicaId, RevisionId};

struct Scene {
    arbiter: Arbiter,
    parties: Vec<(&'static str, Party)>,
    /// What was granted, by replica.
    places: Vec<(String, PlaceId)>,
    serving: Vec<(String, u64)>,
}

impl Scene {
    fn new(limit: usize, devices: usize) -> Self {
        let names = (0..devices).map(|i| i.to_string()).collect();
        Self {
            arbiter: Arbiter::new(limit, names),
            parties: Vec::new(),
            places: Vec::new(),
            serving: Vec::new(),
        }
    }

    fn party(&mut self, name: &'static str) -> Party {
        if let Some((_, party)) = self.parties.iter().find(|(known, _)| *known == name) {
            return *party;
        }
        let party = self.arbiter.join(RevisionId::new(name), 0);
        self.parties.push((name, party));
        party
    }

    fn keeps(mut self, name: &'static str, keeps: usize) -> Self {
        let party = self.party(name);
        self.arbiter.keep(party, keeps);
        self
    }

    /// It wants one more replica, with so many devices.
    fn asks(mut self, name: &'static str, devices: usize) -> Self {
        let party = self.party(name);
        self.arbiter.ask(party, devices);
        self
    }

    fn urgently(mut self, name: &'static str, devices: usize) -> Self {
        self = self.asks(name, devices);
        let party = self.party(name);
        self.arbiter.set_urgent(party, true);
        self
    }

    /// Gives what is free; returns who got what: "a1:0".
    fn grant(&mut self) -> String {
        let mut told = Vec::new();
        for (party, place) in self.arbiter.grant() {
            let known = self.parties.iter().find(|(_, known)| *known == party);
            let (name, _) = known.expect("it was joined");
            let count = self.places.iter().filter(|(r, _)| r.starts_with(name));
            let number = count.count() + 1;
            let replica = ReplicaId(number.try_into().expect("few"));
            self.arbiter.assign(place, replica);
            let devices = self.arbiter.devices(place).join("+");
            told.push(format!("{name}{number}:{devices}"));
            self.places.push((format!("{name}{number}"), place));
        }
        told.join(" ")
    }

    /// Replicas that run and are in service since the second behind the colon: "a1:4 b1:7".
    fn serve(mut self, wanted: &[(&'static str, usize, &str)]) -> Self {
        for (name, devices, since) in wanted {
            for at in since.split_whitespace() {
                self = self.asks(name, *devices);
                assert_ne!(self.grant(), "", "there is room for {name}");
                let replica = self.places.last().expect("it was granted").0.clone();
                self.serving.push((replica, at.parse().expect("a number")));
            }
        }
        self.open();
        self
    }

    fn open(&mut self) {
        for (name, party) in &self.parties {
            let own = self.serving.iter().filter(|(r, _)| r.starts_with(name));
            let stands = own.map(|(replica, at)| (id(replica), Standing::Serving(second(*at))));
            let standings: Vec<_> = stands.collect();
            self.arbiter.open(*party, &standings);
        }
    }

    fn end(&mut self, replica: &str) {
        let at = self.places.iter().position(|(known, _)| known == replica);
        let (_, place) = self.places.remove(at.expect("it has a place"));
        self.arbiter.release(place);
        self.serving.retain(|(known, _)| known != replica);
    }

    /// Who is taken, while these are idle: "a1 b1:7" is `a1` since it is ready, `b1` since 7.
    fn taken(&mut self, idle: &str) -> String {
        let idle = idle.split_whitespace().map(|word| {
            let (replica, since) = word.split_once(':').unwrap_or((word, ""));
            Idle {
                party: self.party_of(replica),
                replica: id(replica),
                since: since.parse().ok().map(second),
            }
        });
        let idle: Vec<Idle> = idle.collect();
        let mut told = Vec::new();
        while let Some(taking) = self.arbiter.victim(&idle) {
            self.arbiter.take(&taking.idle);
            let (name, _) = *self.named(taking.idle.party);
            told.push(format!("{name}{} by {}", taking.idle.replica, taking.by));
        }
        told.join(", ")
    }

    fn named(&self, party: Party) -> &(&'static str, Party) {
        let mut all = self.parties.iter();
        all.find(|(_, known)| *known == party).expect("joined")
    }

    fn party_of(&self, replica: &str) -> Party {
        let mut all = self.parties.iter();
        let of = all.find(|(name, _)| replica.starts_with(name));
        of.expect("joined").1
    }
}

fn id(replica: &str) -> ReplicaId {
    let number = replica.trim_start_matches(char::is_alphabetic);
    ReplicaId(number.parse().expect("a number"))
}

fn second(at: u64) -> std::time::Instant {
    thread_local! {
        static START: std::time::Instant = crate::sync::now();
    }
    START.with(|start| *start) + Duration::from_secs(at)
}

#[test]
fn what_is_free_goes_to_urgent_ones_first_then_in_the_order_they_came() {
    let check = |mut scene: Scene, want: &str| assert_eq!(scene.grant(), want);
    let room = Scene::new;
    check(room(2, 0).asks("a", 0).asks("b", 0).asks("c", 0), "a1: b1:");
    check(room(1, 0).asks("a", 0).urgently("b", 0), "b1:");
    check(
        room(9, 2).asks("a", 1).asks("b", 0).asks("c", 1),
        "a1:0 b1: c1:1",
    );
    check(room(9, 2).asks("a", 2).asks("b", 1), "a1:0+1");
    check(room(9, 3).asks("a", 2).asks("b", 1), "a1:0+1 b1:2");
    // No place is of use to whoever has no device, and the other way round.
    check(room(9, 0).asks("a", 1).asks("b", 0), "b1:");
    check(room(0, 9).asks("a", 1).asks("b", 0), "");
}

#[test]
fn a_wish_for_two_is_not_overtaken_by_wishes_for_one() {
    let mut scene = Scene::new(9, 2).serve(&[("a", 1, "0 0")]);
    scene = scene.asks("b", 2).asks("c", 1).asks("d", 0);
    assert_eq!(scene.grant(), "d1:", "needs no device");
    scene.end("a1");
    assert_eq!(scene.grant(), "", "held back for b");
    scene.end("a2");
    assert_eq!(scene.grant(), "b1:0+1");
    scene.end("b1");
    assert_eq!(scene.grant(), "c1:0");
}

#[test]
fn nothing_is_held_back_for_a_wish_that_cannot_come_true() {
    // One device stays with `a` for ever.
    let mut scene = Scene::new(9, 2).keeps("a", 1).serve(&[("a", 1, "0")]);
    scene = scene.asks("b", 2).asks("c", 1);
    assert_eq!(scene.grant(), "c1:1");
    // It would have to give up what it has.
    let mut scene = Scene::new(9, 3).serve(&[("a", 2, "0")]);
    scene = scene.asks("a", 2).asks("b", 1);
    assert_eq!(scene.grant(), "b1:2");
}

#[test]
fn who_is_urgent_takes_from_the_longest_idle_of_others() {
    let three = || Scene::new(3, 0).serve(&[("a", 0, "1"), ("b", 0, "2"), ("c", 0, "3")]);
    let check = |mut scene: Scene, idle: &str, want: &str| assert_eq!(scene.taken(idle), want);
    check(three().urgently("d", 0), "a1:9 b1:7 c1:8", "b1 by d");
    check(three().urgently("d", 0), "a1:9 c1:8", "c1 by d");
    // One that never had a request is idle since it is ready.
    check(three().urgently("d", 0), "a1:9 b1:7 c1", "c1 by d");
    check(three().urgently("d", 0), "", "");
    check(three().asks("d", 0), "a1 b1 c1", "");
    check(three().urgently("a", 0), "a1", "");
    check(
        three().keeps("b", 1).urgently("d", 0),
        "a1:9 b1:7 c1:8",
        "c1 by d",
    );
    let two_urgent = three().urgently("d", 0).urgently("e", 0);
    check(two_urgent, "a1:9 b1:7 c1:8", "b1 by d, c1 by e");
}

#[test]
fn no_more_is_taken_than_helps() {
    // A device is lacking, so the place of one without is of no use.
    let mixed = || Scene::new(9, 2).serve(&[("a", 0, "1"), ("b", 1, "2 3")]);
    let check = |mut scene: Scene, idle: &str, want: &str| assert_eq!(scene.taken(idle), want);
    check(mixed().urgently("c", 1), "a1 b1 b2", "b1 by c");
    check(mixed().urgently("c", 2), "a1 b1 b2", "b1 by c, b2 by c");
    // It takes what it can have at once, and the rest when that is idle.
    check(mixed().urgently("c", 2), "b2", "b2 by c");
    check(mixed().keeps("b", 1).urgently("c", 2), "a1 b1 b2", "");
    check(mixed().urgently("c", 3), "a1 b1 b2", "");
    // A place is lacking, and one that has a device is as good.
    let full = || Scene::new(2, 1).serve(&[("a", 1, "1"), ("b", 0, "2")]);
    check(full().urgently("c", 0), "a1 b1", "a1 by c");
    check(full().urgently("c", 1), "b1", "");
}

#[test]
fn what_is_on_its_way_is_not_taken_for_twice() {
    let mut scene = Scene::new(2, 0).serve(&[("a", 0, "1 2")]).urgently("b", 0);
    assert_eq!(scene.taken("a1 a2"), "a1 by b");
    assert_eq!(
        (scene.taken("a2").as_str(), scene.grant().as_str()),
        ("", "")
    );
    scene.end("a1");
    assert_eq!(scene.grant(), "b1:");
    assert_eq!(scene.taken("a2"), "");
}

#[test]
fn nothing_is_taken_from_one_that_is_looking_at_its_replicas() {
    let mut scene = Scene::new(1, 0).serve(&[("a", 0, "1")]).urgently("b", 0);
    let a = scene.party("a");
    scene.arbiter.shut(a);
    assert_eq!(scene.taken("a1"), "");
    scene.open();
    assert_eq!(scene.taken("a1"), "a1 by b");
}

#[test]
fn a_person_reads_what_is_lacking() {
    let told = |mut scene: Scene, name: &'static str| {
        scene.grant();
        let party = scene.party(name);
        let complaint = scene.arbiter.complaint(party).expect("it waits");
        (scene.arbiter.lacks(party), complaint)
    };
    let gpu = |text: &str| (Some(Shortage::NoFreeGpu), text.to_owned());
    let places = |text: &str| (Some(Shortage::MaxProcesses), text.to_owned());
    let scene = Scene::new(9, 2).serve(&[("b", 1, "0"), ("a", 1, "0")]);
    assert_eq!(
        told(scene.asks("c", 1), "c"),
        gpu("no GPU is free; in use by a, b")
    );
    let scene = Scene::new(9, 2).serve(&[("a", 1, "0")]);
    let want = gpu("1 of 2 GPUs free, a replica needs 2; in use by a");
    assert_eq!(told(scene.asks("c", 2), "c"), want);
    let scene = Scene::new(1, 2).serve(&[("a", 1, "0")]);
    let want = places("1 process is the most --max-processes allows");
    assert_eq!(told(scene.asks("c", 1), "c"), want);
    let scene = Scene::new(2, 0).serve(&[("a", 0, "0 0")]);
    let want = places("2 processes are the most --max-processes allows");
    assert_eq!(told(scene.asks("c", 0), "c"), want);
}
