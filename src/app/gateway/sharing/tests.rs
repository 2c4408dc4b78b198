//! What a leader's book and its members' reports come to.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use super::ledger::Ledger;
use crate::admission::meter;
use crate::shares::{Holdings, Measured, MemberId, Pod, Report, Slots};
use crate::sync::now;
use crate::throttler::Sample;

pub(super) fn member(pod: &str) -> MemberId {
    let pod = pod.into();
    MemberId { pod, life: 1 }
}

pub(super) fn slots(pod: &str) -> Slots {
    let (pod, slots) = (pod.into(), 1);
    Slots { pod, slots }
}

/// The leader is `a`; its member `b` holds the only slot of `pod`.
pub(super) fn ledger() -> Ledger {
    let mut ledger = Ledger::open(now());
    ledger.join(&member("a"), true, &Holdings::default(), now());
    let held = Holdings {
        slots: vec![slots("pod")],
        ..Holdings::default()
    };
    ledger.join(&member("b"), false, &held, now());
    ledger.account(now(), Duration::ZERO, now());
    ledger.set(&[slots("pod")], &BTreeSet::new(), now());
    ledger
}

#[test]
fn a_replica_is_vacant_when_it_is_retired_and_every_member_has_returned_it() {
    let (mut ledger, pod): (_, Pod) = (ledger(), "pod".into());
    assert!(!ledger.is_vacant(&pod, true));
    ledger.set(&[slots("pod")], &BTreeSet::from([pod.clone()]), now());
    assert!(!ledger.is_vacant(&pod, true), "a member may have begun");
    ledger.returned(&member("b"), &slots("pod"), now());
    assert!(ledger.is_vacant(&pod, true));
    ledger.set(&[slots("pod")], &BTreeSet::new(), now());
    assert!(!ledger.is_vacant(&pod, true), "it is given out again");
}

const NOTHING: Sample = Sample {
    report: meter::Report {
        average_concurrency: 0.0,
        requests: 0,
    },
    in_flight: 0,
    idle_since: None,
    busy: 0,
    unheard: true,
};

#[test]
fn what_was_asked_of_a_member_that_is_silent_counts_on() {
    let mut ledger = ledger();
    let report = Report {
        in_flight: 2,
        busy: vec![slots("pod")],
        longest_service: Some(Duration::from_secs(7)),
        ..Report::default()
    };
    ledger.report(&member("b"), report, now());
    ledger.silent(&member("b"), now());
    let own = Sample {
        idle_since: Some(now()),
        ..NOTHING
    };
    let sum = ledger.others(HashSet::new(), true).with(own);
    assert_eq!((sum.in_flight, sum.busy, sum.idle_since), (2, 1, None));
    assert!(ledger.busy().contains_key(&Pod::from("pod")));
    let hour = now() + Duration::from_secs(3600);
    assert_eq!(ledger.longest(hour), Some(Duration::from_secs(7)));
    ledger.ended(&member("b"), now(), Duration::ZERO, now());
    let sum = ledger.others(HashSet::new(), true).with(own);
    assert_eq!((sum.in_flight, sum.busy), (0, 0));
    assert_eq!(ledger.longest(now()), Some(Duration::from_secs(7)));
    assert_eq!(ledger.longest(hour), None, "that was long ago");
}

#[test]
fn what_is_asked_of_all_is_summed_and_a_replica_that_both_use_is_busy_once() {
    let mut ledger = ledger();
    let report = Report {
        measured: Some(Measured {
            average_concurrency: 1.5,
            requests: 3,
        }),
        in_flight: 2,
        busy: vec![slots("pod")],
        ..Report::default()
    };
    ledger.report(&member("b"), report, now());
    let own = Sample {
        report: meter::Report {
            average_concurrency: 1.0,
            requests: 1,
        },
        in_flight: 1,
        idle_since: Some(now()),
        busy: 1,
        unheard: false,
    };
    let busy = HashSet::from(["pod".into(), "other".into()]);
    let sum = ledger.others(busy, true).with(own);
    let report = (
        sum.report.average_concurrency.to_bits(),
        sum.report.requests,
    );
    assert_eq!(report, (2.5_f64.to_bits(), 4));
    assert_eq!((sum.in_flight, sum.busy), (3, 2));
    assert_eq!(sum.idle_since, None, "somebody is at the member");
    ledger.report(&member("b"), Report::default(), now());
    let sum = ledger.others(HashSet::new(), false).with(own);
    assert!(
        sum.idle_since > own.idle_since,
        "since the last of all has left"
    );
}
