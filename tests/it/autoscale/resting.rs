//! A surplus that every replica has a share of: some rest, so that they fall idle and can go.

use std::collections::BTreeMap;
use std::time::Duration;

use holdgate::admission::{Admission, Seat, Verdict};
use holdgate::revision::{ContainerConcurrency, QueueLimits, ReplicaId};

use crate::clock::Clock;

/// Four replicas with a request each.
fn four(limit: ContainerConcurrency, clock: Clock) -> Admission<()> {
    let bounds = QueueLimits {
        max_requests: 10,
        max_bytes: 10,
        timeout: Duration::from_secs(60),
        cold_timeout: Duration::from_secs(60),
        read_ahead: 0,
        order: holdgate::revision::QueueOrder::Fifo,
    };
    let mut admission = Admission::new(limit, bounds, clock.at(0.0));
    admission.set_replicas(&[1, 2, 3, 4].map(|id| (ReplicaId(id), ())), clock.at(0.0));
    admission
}

/// Where so many more requests go.
fn spread(admission: &mut Admission<()>, count: u32, clock: Clock) -> Vec<u32> {
    let mut by: BTreeMap<ReplicaId, u32> = BTreeMap::new();
    for _ in 0..count {
        let verdict = admission.arrive(0, clock.at(1.0));
        let Verdict::Admitted(_, Seat { replica, .. }) = verdict else {
            panic!("a slot is free");
        };
        *by.entry(replica).or_default() += 1;
    }
    by.into_values().collect()
}

#[test]
fn as_many_as_are_enough_work_and_the_others_rest_until_they_are_needed() {
    let clock = Clock::start();
    for limit in [
        ContainerConcurrency::UNLIMITED,
        ContainerConcurrency::new(50),
    ] {
        let mut admission = four(limit, clock);
        assert_eq!(spread(&mut admission, 8, clock), [2, 2, 2, 2]);
        admission.rest(Some(1));
        assert_eq!(spread(&mut admission, 8, clock), [8]);
        admission.rest(Some(3));
        assert_eq!(
            spread(&mut admission, 10, clock).len(),
            2,
            "the two others catch up"
        );
        admission.rest(None);
        assert_eq!(
            spread(&mut admission, 4, clock),
            [4],
            "the one that has rested"
        );
    }
}

#[test]
fn who_rests_takes_what_the_others_have_no_slot_for() {
    let clock = Clock::start();
    for limit in [1, 2, 3, 4, 10] {
        let mut admission = four(ContainerConcurrency::new(limit), clock);
        admission.rest(Some(1));
        assert_eq!(spread(&mut admission, limit, clock), [limit]);
        assert_eq!(spread(&mut admission, 3 * limit, clock), [limit; 3]);
        assert!(!matches!(
            admission.arrive(0, clock.at(2.0)),
            Verdict::Admitted(..)
        ));
    }
}
