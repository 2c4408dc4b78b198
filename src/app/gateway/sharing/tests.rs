//! What a leader's book and its members' reports come to.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use super::ledger::Ledger;
use crate::admission::meter;
use crate::shares::{Measured, MemberId, Pod, Report, Slots};
use crate::sync::now;
use crate::throttler::Sample;

fn member(pod: &str) -> MemberId {
    let pod = pod.into();
    MemberId { pod, life: 1 }
}

fn slots(pod: &str) -> Slots {
    let (pod, slots) = (pod.into(), 1);
    Slots { pod, slots }
}

/// The leader is `a`; its member `b` holds the only slot of `pod`.
fn ledger() -> Ledger {
    let mut ledger = Ledger::open();
    ledger.join(&member("a"), true, &[], now());
    ledger.join(&member("b"), false, &[slots("pod")], now());
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
