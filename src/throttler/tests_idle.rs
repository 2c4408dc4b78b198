//! Who is idle, who is told of it, and who is taken.

use std::task::Poll;
use std::time::Duration;

use super::tests::{admitted, turn, waiting};
use super::tests_support::{ready, throttler};
use crate::ports::{Occupancy, World};
use crate::revision::ReplicaId;

#[tokio::test(start_paused = true)]
async fn an_idle_replica_is_told_of_only_to_who_wants_to_know() {
    let throttler = throttler(2);
    throttler.follow(&ready(&[1]));
    let mut vacancies = throttler.vacancies();
    let mut told = || {
        let changed = vacancies.has_changed().expect("the throttler lives");
        vacancies.mark_unchanged();
        changed
    };
    assert_eq!(throttler.idle(), [(ReplicaId(1), None)]);
    let (first, second) = (admitted(&throttler), admitted(&throttler));
    assert_eq!(throttler.idle(), []);
    drop(first);
    drop(second);
    assert!(!told());

    throttler.tell_idle(true);
    let (first, second) = (admitted(&throttler), admitted(&throttler));
    let third = waiting(&throttler);
    drop(first);
    drop(third);
    assert!(!told(), "it is busy");
    tokio::time::advance(Duration::from_secs(7)).await;
    drop(second);
    assert!(told());
    assert_eq!(throttler.idle(), [(ReplicaId(1), Some(super::now()))]);
    throttler.follow(&ready(&[1, 2]));
    assert!(told(), "one has come that nobody needs");
}

#[tokio::test]
async fn an_idle_replica_is_taken_and_a_busy_one_is_not() {
    let throttler = throttler(1);
    throttler.follow(&ready(&[1, 2]));
    let permit = admitted(&throttler);
    assert_eq!(permit.replica().id, ReplicaId(1));
    assert!(!throttler.retire_idle(ReplicaId(1)));
    assert!(throttler.retire_idle(ReplicaId(2)));
    assert!(!throttler.retire_idle(ReplicaId(2)), "it is taken");
    assert!(!throttler.is_waited_for());
    // What comes then waits for the one that is left.
    let mut place = waiting(&throttler);
    assert!(throttler.is_waited_for());
    drop(permit);
    assert!(matches!(turn(&mut place), Poll::Ready(Ok(_))));
}

#[tokio::test]
async fn the_first_in_line_where_nothing_serves_is_told_of() {
    let throttler = throttler(1);
    throttler.follow(&ready(&[1]));
    let mut vacancies = throttler.vacancies();
    vacancies.mark_unchanged();
    let _permit = admitted(&throttler);
    let second = waiting(&throttler);
    assert!(!vacancies.has_changed().expect("the throttler lives"));
    throttler.follow(&World::default());
    drop(second);
    let _third = waiting(&throttler);
    assert!(vacancies.has_changed().expect("the throttler lives"));
}
