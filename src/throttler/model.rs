//! Every interleaving of a few threads, by loom: no wake-up is lost, no slot leaks, a retired
//! replica gets nothing.

use std::sync::Arc;

use loom::future::block_on;
use loom::thread;

use super::tests_support::{ready, throttler};
use super::{Arrival, Permit, Place, Throttler};
use crate::ports::Occupancy;
use crate::revision::ReplicaId;

fn admitted(throttler: &Arc<Throttler<()>>) -> Permit<()> {
    match throttler.arrive(0) {
        Arrival::Admitted(permit) => permit,
        other => panic!("not admitted: {other:?}"),
    }
}

fn waiting(throttler: &Arc<Throttler<()>>) -> Place<()> {
    match throttler.arrive(0) {
        Arrival::Waiting(place) => place,
        other => panic!("not waiting: {other:?}"),
    }
}

#[test]
fn model_a_freed_slot_wakes_whoever_waits() {
    loom::model(|| {
        let throttler = throttler(1);
        throttler.follow(&ready(&[1]));
        let permit = admitted(&throttler);
        let place = waiting(&throttler);
        let leaves = thread::spawn(move || drop(permit));
        let permit = block_on(place).expect("nothing is out");
        assert_eq!(permit.replica().id, ReplicaId(1));
        leaves.join().expect("no panic");
    });
}

#[test]
fn model_a_slot_granted_to_somebody_who_leaves_goes_on() {
    loom::model(|| {
        let throttler = throttler(1);
        throttler.follow(&ready(&[1]));
        let permit = admitted(&throttler);
        let (first, second) = (waiting(&throttler), waiting(&throttler));
        let leaves = thread::spawn(move || drop(permit));
        let hangs_up = thread::spawn(move || drop(first));
        drop(block_on(second).expect("nothing is out"));
        leaves.join().expect("no panic");
        hangs_up.join().expect("no panic");
        assert_eq!(throttler.read().running, 0);
        drop(admitted(&throttler));
    });
}

#[test]
fn model_a_replica_that_comes_wakes_whoever_waits() {
    loom::model(|| {
        let throttler = throttler(1);
        let place = waiting(&throttler);
        let comes = {
            let throttler = Arc::clone(&throttler);
            thread::spawn(move || throttler.follow(&ready(&[7])))
        };
        assert_eq!(
            block_on(place).expect("nothing is out").replica().id,
            ReplicaId(7)
        );
        comes.join().expect("no panic");
    });
}

#[test]
fn model_a_replica_found_vacant_after_it_was_retired_stays_vacant() {
    loom::model(|| {
        let throttler = throttler(1);
        throttler.follow(&ready(&[1]));
        let arrives = {
            let throttler = Arc::clone(&throttler);
            thread::spawn(move || throttler.arrive(0))
        };
        assert_eq!(throttler.retire(1), [ReplicaId(1)]);
        let vacant = throttler.is_vacant(ReplicaId(1));
        let arrival = arrives.join().expect("no panic");
        assert!(!(vacant && matches!(arrival, Arrival::Admitted(_))));
    });
}

#[test]
fn model_a_replica_that_is_taken_and_a_request_that_comes_do_not_meet() {
    loom::model(|| {
        let throttler = throttler(1);
        throttler.follow(&ready(&[1]));
        let arrives = {
            let throttler = Arc::clone(&throttler);
            thread::spawn(move || throttler.arrive(0))
        };
        let taken = throttler.retire_idle(ReplicaId(1));
        let arrival = arrives.join().expect("no panic");
        assert_eq!(taken, matches!(arrival, Arrival::Waiting(_)));
        assert_eq!(throttler.is_waited_for(), taken);
    });
}

#[test]
fn model_a_slot_that_is_granted_wakes_whoever_waits() {
    loom::model(|| {
        let throttler = throttler(1);
        throttler.follow(&ready(&[1]));
        throttler.divide(false);
        let grants = {
            let throttler = Arc::clone(&throttler);
            thread::spawn(move || throttler.grant(ReplicaId(1), 1))
        };
        let permit = match throttler.arrive(0) {
            Arrival::Admitted(permit) => permit,
            Arrival::Waiting(place) => block_on(place).expect("nothing is out"),
            other => panic!("neither: {other:?}"),
        };
        assert_eq!(permit.replica().id, ReplicaId(1));
        grants.join().expect("no panic");
    });
}

#[test]
fn model_a_slot_that_is_recalled_is_returned_once_or_used() {
    loom::model(|| {
        let throttler = throttler(1);
        throttler.follow(&ready(&[1]));
        throttler.divide(true);
        let permit = admitted(&throttler);
        let recalls = {
            let throttler = Arc::clone(&throttler);
            thread::spawn(move || throttler.recall(1))
        };
        let leaves = thread::spawn(move || drop(permit));
        let arrives = throttler.arrive(0);
        leaves.join().expect("no panic");
        let mut returned = recalls.join().expect("no panic");
        let runs = throttler.read().running;
        drop(arrives);
        returned.extend(throttler.returned());
        assert_eq!(returned, [(ReplicaId(1), 1)], "{runs} ran after it");
        assert!(throttler.holdings().is_empty());
    });
}
