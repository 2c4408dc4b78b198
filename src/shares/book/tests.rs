//! Who is told what, case by case. The laws over random histories are in `tests/properties`.

use std::time::Duration;

use super::super::{MemberId, Order, Pod, Report, Slots, UNLIMITED};
use super::{Book, Orders};
use crate::sync::now;

fn member(name: &str) -> MemberId {
    MemberId {
        pod: name.into(),
        life: 1,
    }
}

fn of(pod: &str, slots: u32) -> Slots {
    let pod: Pod = pod.into();
    Slots { pod, slots }
}

fn waits(waiting: u32, busy: &[Slots]) -> Report {
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
fn said(orders: &Orders) -> Vec<String> {
    let order = |(member, order): &(MemberId, Order)| {
        let what = match order {
            Order::Grant(s) if s.slots == UNLIMITED => format!("+*{}", s.pod),
            Order::Grant(s) => format!("+{}{}", s.slots, s.pod),
            Order::Recall(slots) => format!("-{slots}"),
            Order::Spare(slots) => format!("?{slots}"),
            Order::Keep(s) => format!("<{}{}", s.slots, s.pod),
            Order::Retire(pods) => format!("x{}", pods.join(",")),
        };
        format!("{} {what}", member.pod)
    };
    orders.iter().map(order).collect()
}

const fn ms(n: u64) -> Duration {
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
