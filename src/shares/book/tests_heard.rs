//! Who is heard, who is not, and what of either is held back.

use super::Book;
use super::tests::{book, holders, member, ms, of, said, waits};
use crate::shares::Pod;
use crate::sync::now;

#[test]
fn a_silent_member_keeps_what_it_has_and_a_dead_ones_slots_wait() {
    let (mut book, t) = (book(&[("a", 2), ("b", 2)]), now());
    let (a, b) = (member("a"), member("b"));
    book.silent(&b, t);
    assert_eq!(said(&book.report(&a, &waits(3, &[of("p", 2)]), t)), [""; 0]);
    assert_eq!(holders(&book, "p"), ["a 2", "b 2"]);
    let at = t + ms(100);
    assert_eq!(said(&book.ended(&b, at, ms(500), at)), [""; 0]);
    assert_eq!(holders(&book, "p"), ["a 2"]);
    assert!(!book.is_vacant(&"p".into()));
    assert_eq!(said(&book.tick(at + ms(499))), [""; 0]);
    assert_eq!(said(&book.tick(at + ms(500))), ["a +2p"]);
}

#[test]
fn who_is_reached_again_says_what_is_so() {
    let (mut book, t) = (book(&[("a", 2), ("b", 2)]), now());
    assert_eq!(
        said(&book.join(&member("b"), &[of("p", 1)], t)),
        ["b x", "b +1p"],
        "what was on its way is lost"
    );
    assert_eq!(said(&book.left(&member("b"), t)), ["a +2p"]);
}

#[test]
fn a_new_reign_gives_out_only_what_nobody_unheard_can_hold() {
    let (mut book, t) = (Book::new(), now());
    let (a, b) = (member("a"), member("b"));
    book.withhold_unclaimed();
    book.set(&[of("p", 4)], &[], t);
    assert_eq!(said(&book.join(&a, &[of("p", 1)], t)), ["a x"]);
    assert_eq!(said(&book.set(&[of("p", 4), of("q", 2)], &[], t)), [""; 0]);
    assert_eq!(said(&book.vouch(&["q".into()], t)), ["a +2q"]);
    assert_eq!(
        said(&book.returned(&a, &of("p", 1), t)),
        ["a +1p"],
        "it was claimed"
    );
    assert_eq!(said(&book.join(&b, &[of("p", 2)], t)), ["b x"]);
    assert_eq!(
        said(&book.release_unclaimed(t, ms(300), t + ms(100))),
        [""; 0]
    );
    assert!(!book.is_vacant(&"p".into()));
    assert_eq!(book.wake(), Some(t + ms(300)));
    assert_eq!(said(&book.tick(t + ms(300))), ["b +1p"]);
}

#[test]
fn a_limit_that_is_raised_while_a_replica_is_away_gives_nothing_that_may_be_held_unheard() {
    let (mut book, t) = (Book::new(), now());
    book.withhold_unclaimed();
    book.set(&[of("p", 4)], &[], t);
    book.join(&member("a"), &[of("p", 2)], t);
    book.set(&[], &[], t);
    // Who led before may have known, and have granted all of it.
    assert_eq!(said(&book.set(&[of("p", 8)], &[], t)), [""; 0]);
}

#[test]
fn a_replica_that_everybody_told_of_is_not_withheld_when_it_is_back() {
    let (mut book, t) = (Book::new(), now());
    let a = member("a");
    book.withhold_unclaimed();
    book.set(&[of("p", 2)], &[], t);
    book.join(&a, &[of("p", 2)], t);
    book.set(&[], &[], t);
    book.returned(&a, &of("p", 2), t);
    assert_eq!(said(&book.set(&[of("p", 2)], &[], t)), ["a +2p"]);
}

#[test]
fn a_replica_that_was_not_seen_ready_may_be_held_by_somebody_unheard() {
    let (mut book, t) = (Book::new(), now());
    let p: Pod = "p".into();
    assert!(book.is_vacant(&p));
    book.withhold_unclaimed();
    book.join(&member("a"), &[], t);
    assert!(!book.is_vacant(&p));
    book.vouch(std::slice::from_ref(&p), t);
    assert!(book.is_vacant(&p));
    assert_eq!(
        said(&book.set(&[of("p", 2)], &[], t)),
        ["a +2p"],
        "it was vouched for before it was ready"
    );
    book.release_unclaimed(t, ms(100), t);
    assert!(book.is_vacant(&"q".into()), "nobody living is unheard");
}

#[test]
fn nothing_is_all_ones_own_while_somebody_unheard_may_hold_what_was_not_seen_yet() {
    let (mut book, t) = (Book::new(), now());
    let a = member("a");
    book.withhold_unclaimed();
    book.join(&a, &[], t);
    assert!(!book.is_all_of(&a) && !book.is_blank());
    book.release_unclaimed(t, ms(300), t);
    assert!(!book.is_all_of(&a) && !book.is_blank());
    assert_eq!(said(&book.tick(t + ms(300))), [""; 0]);
    assert!(book.is_all_of(&a) && book.is_blank());
}

#[test]
fn a_replica_that_does_not_come_back_is_called_in() {
    let (mut book, t) = (book(&[("a", 2), ("b", 2)]), now());
    assert_eq!(said(&book.set(&[], &[], t)), [""; 0]);
    assert_eq!(
        said(&book.set(&[of("p", 4)], &[], t + ms(10))),
        [""; 0],
        "it flapped"
    );
    book.set(&[], &[], t);
    assert_eq!(book.wake(), Some(t + ms(60_000)));
    assert_eq!(said(&book.tick(t + ms(60_000))), ["a xp", "b xp"]);
    let t = t + ms(60_000);
    assert_eq!(said(&book.returned(&member("a"), &of("p", 2), t)), [""; 0]);
    book.returned(&member("b"), &of("p", 2), t);
    assert_eq!(book.wake(), None, "nothing is remembered");
}

#[test]
fn who_was_silent_and_speaks_gets_its_part_again() {
    let (mut book, t) = (book(&[("a", 2), ("b", 2)]), now());
    let b = member("b");
    book.silent(&b, t);
    assert_eq!(said(&book.left(&member("a"), t)), [""; 0]);
    let orders = book.report(&b, &waits(0, &[]), t);
    assert_eq!(said(&orders), ["b +2p"]);
}

#[test]
fn what_was_said_too_long_ago_holds_no_longer() {
    let (mut book, t) = (book(&[("a", 2), ("b", 2)]), now());
    let (busy, b) = ([of("p", 2)], member("b"));
    book.report(&member("a"), &waits(0, &busy), t);
    book.report(&b, &waits(1, &busy), t);
    assert!(book.wake().is_some(), "somebody waits");
    assert_eq!(said(&book.tick(t + ms(2500))), [""; 0]);
    assert_eq!(book.wake(), None, "nobody is known to wait");
}
