//! A revision whose pods are on their way, and who is told when to come again.

use std::ops::RangeInclusive;
use std::time::Duration;

use holdgate::ports::{OutageReason, ReplicaState};
use tokio::time::Instant;

use super::pod::Pod;
use super::{Answer, Front};

fn retry_after(answer: &Answer) -> u64 {
    let header = answer.header("retry-after");
    header.and_then(|it| it.parse().ok()).expect("it is told")
}

/// A bit of real time passes meanwhile.
const NEARLY_90: RangeInclusive<u64> = 60..=90;

#[tokio::test(flavor = "multi_thread")]
async fn who_is_turned_away_while_a_pod_comes_is_told_when_it_is_expected() {
    let pod = Pod::new();
    let mut spec = super::defaults("m.ns");
    spec.hosts = vec!["m.ns".into()];
    spec.queue.max_requests = 0;
    let front = Front::of(spec, &[&pod]);
    front.turn(1, ReplicaState::Starting);
    // Nothing was measured yet.
    let answer = front.ask("a", "/").await;
    assert_eq!(answer.told(), (429, Some("queue_full")));
    assert_eq!(retry_after(&answer), 1);
    let at = Instant::now().into_std() + Duration::from_secs(90);
    front.show(|world| world.expected = Some(at));
    let told = retry_after(&front.ask("b", "/").await);
    assert!(NEARLY_90.contains(&told), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_no_pod_can_come_who_asks_is_told_when_one_is_expected_or_to_wait_a_while() {
    let front = Front::new(1, &[]);
    // What a whole start takes says nothing of when it begins.
    front.show(|world| world.typical_start = Some(Duration::from_secs(5)));
    front.out(Some(OutageReason::Unschedulable));
    let answer = front.ask("a", "/").await;
    assert_eq!(answer.told(), (503, Some("unschedulable")));
    assert_eq!(retry_after(&answer), 30);
    let at = Instant::now().into_std() + Duration::from_secs(90);
    front.show(|world| world.expected = Some(at));
    let told = retry_after(&front.ask("b", "/").await);
    assert!(NEARLY_90.contains(&told), "{told}");
    // Who waited is told the same.
    front.out(None);
    let waits = front.asking("c", "/");
    front.until(|front| front.waiting() == 1).await;
    front.out(Some(OutageReason::ColdStartFailed));
    let answer = waits.await.expect("no panic");
    assert_eq!(answer.told(), (503, Some("cold_start_failed")));
    let told = retry_after(&answer);
    assert!(NEARLY_90.contains(&told), "{told}");
}
