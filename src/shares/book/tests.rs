//! Who is told what, case by case. The laws over random histories are in `tests/properties`.

use std::time::Duration;

use super::super::{MemberId, Order, Pod, Report, Slots, UNLIMITED};
use super::{Book, Orders};
use crate::sync::now;

pub(super) fn member(name: &str) -> MemberId {
    MemberId {
        pod: name.into(),
        life: 1,
    }
}

pub(super) fn of(pod: &str, slots: u32) -> Slots {
    let pod: Pod = pod.into();
    Slots { pod, slots }
}

pub(super) fn waits(waiting: u32, busy: &[Slots]) -> Report {
    let running: u32 = busy.iter().map(|s| s.slots).sum();
    Report {
        in_flight: waiting + running,
        waiting,
        busy: busy.to_vec(),
        ..Report::default()
    }
}

/// One line for each order, `a +3p`: granted three of p; `-2`: recalled; `?2`: to spare; `<2p`:
/// keeps; `xp`: retired.
pub(super) fn said(orders: &Orders) -> Vec<String> {
    let order = |(member, order): &(MemberId, Order)| {
        let what = match order {
            Order::Grant(s) if s.slots == UNLIMITED => format!("+*{}", s.pod),
            Order::Grant(s) => format!("+{}{}", s.slots, s.pod),
            Order::Recall(slots) => format!("-{slots}"),
            Order::Spare(slots) => format!("?{slots}"),
            Order::Keep(s) => format!("<{}{}", s.slots, s.pod),
            Order::Retire(pods) => format!("x{}", pods.join(",")),
            Order::Rest(pods) => format!("z{}", pods.join(",")),
        };
        format!("{} {what}", member.pod)
    };
    orders.iter().map(order).collect()
}

pub(super) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn slots_that_nobody_waits_for_are_spread_evenly() {
    let (mut book, t) = (Book::new(), now());
    assert_eq!(said(&book.set(&[of("p", 5)], &[], t)), [""; 0]);
    assert_eq!(said(&book.join(&member("a"), &[], t)), ["a x", "a +5p"]);
    let (mut book, t) = (Book::new(), now());
    for name in ["a", "b", "c"] {
        book.join(&member(name), &[], t);
    }
    let orders = book.set(&[of("p", 5), of("q", 4)], &[], t);
    assert_eq!(
        said(&orders),
        ["a +2p", "a +1q", "b +1p", "b +2q", "c +2p", "c +1q"]
    );
}

#[test]
fn who_waits_gets_what_idles_elsewhere() {
    let (mut book, t) = (Book::new(), now());
    book.set(&[of("p", 4)], &[], t);
    book.join(&member("a"), &[of("p", 4)], t);
    book.join(&member("b"), &[], t);
    let t = t + ms(10);
    assert_eq!(
        said(&book.report(&member("b"), &waits(3, &[]), t)),
        ["a ?3"]
    );
    let orders = book.returned(&member("a"), &of("p", 3), t);
    assert_eq!(said(&orders), ["b +3p"]);
}

/// A book in which each of these members holds so many slots of `p`, which has all of them.
pub(super) fn book(held: &[(&str, u32)]) -> Book {
    let (mut book, t) = (Book::new(), now());
    let slots = held.iter().map(|(_, slots)| slots).sum();
    for (name, slots) in held {
        let slots = of("p", *slots);
        let holds = Some(slots).filter(|s| s.slots > 0);
        book.join(&member(name), holds.as_slice(), t);
    }
    assert_eq!(said(&book.set(&[of("p", slots)], &[], t)), [""; 0]);
    book
}

pub(super) fn holders(book: &Book, pod: &str) -> Vec<String> {
    let held = |(member, slots): (&MemberId, u32)| format!("{} {slots}", member.pod);
    book.holders(&pod.into()).map(held).collect()
}

#[test]
fn what_was_given_to_who_waits_is_not_taken_back_at_once() {
    let (mut book, t) = (book(&[("a", 1), ("b", 0)]), now());
    let (a, b) = (member("a"), member("b"));
    assert_eq!(said(&book.report(&b, &waits(1, &[]), t)), ["a ?1"]);
    assert_eq!(said(&book.returned(&a, &of("p", 1), t)), ["b +1p"]);
    assert_eq!(said(&book.report(&a, &waits(1, &[]), t + ms(20))), [""; 0]);
    let wake = book.wake().expect("somebody waits");
    assert_eq!(wake, t + ms(50));
    assert_eq!(said(&book.tick(wake)), ["b ?1", "b -1"]);
}

#[test]
fn who_has_nothing_takes_its_turn_where_everybody_waits() {
    let (mut book, mut t) = (book(&[("a", 1), ("b", 0), ("c", 0)]), now());
    let mut turns = Vec::new();
    for _ in 0..6 {
        t += ms(100);
        let holder = holders(&book, "p").remove(0);
        let mut recalled = false;
        for name in ["a", "b", "c"] {
            let busy = [of("p", 1)];
            let busy = &busy[..usize::from(holder.starts_with(name))];
            // However many wait at the first of them.
            let orders = book.report(
                &member(name),
                &waits(if name == "a" { 50 } else { 1 }, busy),
                t,
            );
            recalled |= said(&orders).iter().any(|said| said.ends_with(" -1"));
        }
        assert!(recalled);
        book.returned(&member(&holder[..1]), &of("p", 1), t + ms(1));
        turns.push(holders(&book, "p").remove(0));
    }
    assert_eq!(turns, ["b 1", "c 1", "a 1", "b 1", "c 1", "a 1"]);
}

#[test]
fn where_nothing_idles_shares_follow_the_demand() {
    let (mut book, mut t) = (book(&[("a", 8), ("b", 2)]), now());
    let (a, b) = (member("a"), member("b"));
    book.report(&b, &waits(18, &[of("p", 2)]), t);
    let mut recalled = Vec::new();
    for _ in 0..20 {
        recalled.extend(said(&book.report(&a, &waits(12, &[of("p", 8)]), t)));
        recalled.extend(said(&book.report(&b, &waits(18, &[of("p", 2)]), t)));
        t += ms(90);
    }
    assert_eq!(recalled, ["a -3"], "20 of 40 each, after a second");
    let orders: Vec<Orders> = (0..3).map(|_| book.returned(&a, &of("p", 1), t)).collect();
    assert_eq!(said(&orders.concat()), ["b +1p", "b +1p", "b +1p"]);
    for _ in 0..20 {
        let mut orders = book.report(&a, &waits(15, &[of("p", 5)]), t);
        orders.extend(book.report(&b, &waits(15, &[of("p", 5)]), t));
        assert_eq!(said(&orders), [""; 0], "it stays so");
        t += ms(90);
    }
}

#[test]
fn who_has_nothing_idle_gets_some_before_anybody_waits() {
    let (mut book, t) = (book(&[("a", 4), ("b", 4)]), now());
    let (a, b) = (member("a"), member("b"));
    assert_eq!(said(&book.report(&a, &waits(0, &[of("p", 4)]), t)), [""; 0]);
    assert_eq!(book.wake(), Some(t + ms(1000)));
    assert_eq!(said(&book.tick(t + ms(1000))), ["b ?2"]);
    assert_eq!(
        said(&book.returned(&b, &of("p", 2), t + ms(1000))),
        ["a +2p"]
    );
}

#[test]
fn a_retired_replica_is_returned_by_everybody_and_vacant_then() {
    let (mut book, t) = (book(&[("a", 2), ("b", 1)]), now());
    let (p, ready): (Pod, _) = ("p".into(), [of("p", 3)]);
    let retired = [p.clone()];
    assert_eq!(said(&book.set(&ready, &retired, t)), ["a xp", "b xp"]);
    assert_eq!(said(&book.returned(&member("a"), &of("p", 2), t)), [""; 0]);
    assert!(!book.is_vacant(&p));
    book.ended(&member("b"), t, ms(100), t);
    assert!(!book.is_vacant(&p), "its request may run");
    assert_eq!(said(&book.tick(t + ms(100))), [""; 0]);
    assert!(book.is_vacant(&p));
    assert_eq!(said(&book.join(&member("c"), &[], t)), ["c xp"]);
    assert_eq!(
        said(&book.set(&ready, &[], t)),
        ["a x", "c x", "a +2p", "c +1p"]
    );
}

#[test]
fn a_lowered_limit_is_kept_to_and_a_raised_one_given_out() {
    let (mut book, t) = (book(&[("a", 6), ("b", 2)]), now());
    assert_eq!(said(&book.set(&[of("p", 5)], &[], t)), ["a <3p"]);
    assert_eq!(
        said(&book.set(&[of("p", 5)], &[], t)),
        [""; 0],
        "it was told"
    );
    assert_eq!(said(&book.returned(&member("a"), &of("p", 3), t)), [""; 0]);
    assert_eq!(said(&book.set(&[of("p", 7)], &[], t)), ["a +1p", "b +1p"]);
}

#[test]
fn everybody_may_send_to_a_replica_without_a_limit() {
    let (mut book, t) = (Book::new(), now());
    let (a, p): (_, Pod) = (member("a"), "p".into());
    book.join(&a, &[], t);
    book.join(&member("b"), &[], t);
    let ready = [of("p", UNLIMITED)];
    assert_eq!(said(&book.set(&ready, &[], t)), ["a +*p", "b +*p"]);
    assert_eq!(said(&book.report(&a, &waits(9, &[]), t)), [""; 0]);
    book.set(&ready, std::slice::from_ref(&p), t);
    book.returned(&member("b"), &of("p", UNLIMITED), t);
    book.returned(&a, &of("p", UNLIMITED - 1), t);
    assert!(!book.is_vacant(&p), "one runs");
    book.returned(&a, &of("p", 1), t);
    assert!(book.is_vacant(&p));
    // A limit is set: what is above it comes back.
    book.set(&ready, &[], t);
    let orders = said(&book.set(&[of("p", 5)], &[], t));
    assert_eq!(orders, ["a <2p", "b <3p", "b ?5"]);
}

#[test]
fn what_is_left_when_a_limit_is_set_on_several_replicas_is_known() {
    let (mut book, t) = (Book::new(), now());
    let (a, b) = (member("a"), member("b"));
    book.join(&a, &[], t);
    book.set(&[of("p", UNLIMITED), of("q", UNLIMITED)], &[], t);
    book.set(&[of("p", 1), of("q", 1)], &[], t);
    book.join(&member("c"), &[], t);
    book.report(&a, &waits(1, &[of("p", 1), of("q", 1)]), t);
    let orders = said(&book.report(&member("c"), &waits(2, &[]), t));
    assert_eq!(orders, ["a -1"], "of two");
    assert_eq!(said(&book.tick(t + ms(1000))), ["a ?2"]);
    book.left(&member("c"), t);
    book.returned(&a, &of("p", UNLIMITED - 1), t);
    book.returned(&a, &of("q", UNLIMITED - 1), t);
    book.join(&b, &[], t);
    let orders = said(&book.report(&b, &waits(1, &[]), t));
    assert_eq!(orders, ["a -1"], "it has two");
}

#[test]
fn who_waited_a_while_ago_is_asked_again_though_nobody_speaks() {
    let (mut book, t) = (book(&[("a", 2), ("b", 2)]), now());
    let say = |book: &mut Book, name, waiting, at| {
        said(&book.report(&member(name), &waits(waiting, &[of("p", 2)]), at))
    };
    say(&mut book, "a", 0, t);
    say(&mut book, "b", 0, t);
    assert_eq!(say(&mut book, "b", 1, t), ["a ?1"]);
    assert_eq!(say(&mut book, "a", 1, t + ms(1)), [""; 0]);
    assert_eq!(book.wake(), Some(t + ms(50)));
    assert_eq!(said(&book.tick(t + ms(50))), [""; 0], "both just waited");
    assert_eq!(book.wake(), Some(t + ms(100)));
    assert_eq!(said(&book.tick(t + ms(100))), ["b ?1"]);
}

#[test]
fn a_slot_does_not_wander_between_those_who_were_served() {
    let (mut book, t) = (book(&[("a", 1), ("b", 0), ("c", 0)]), now());
    let (a, p) = (member("a"), of("p", 1));
    book.report(&a, &waits(0, &[]), t);
    let mut at = t;
    for name in ["b", "c"] {
        book.report(&member(name), &waits(1, &[]), at);
        let holder = holders(&book, "p").remove(0);
        let orders = book.returned(&member(&holder[..1]), &p, at);
        assert_eq!(said(&orders), [format!("{name} +1p")]);
        at += ms(200);
    }
    for _ in 0..10 {
        assert_eq!(said(&book.tick(at)), [""; 0], "both were given one");
        at += ms(50);
    }
}
