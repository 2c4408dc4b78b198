//! What a throttler knows of replicas that are on their way, and of those that have just come.

use std::time::Duration;

use super::tests::{admitted, waiting};
use super::tests_support::{ready, throttler};
use crate::autoscale::StartPhase;
use crate::ports::{ReplicaState, World};
use crate::revision::{Endpoint, ReplicaId};

const SECOND: Duration = Duration::from_secs(1);

/// One is on its way, for a while.
fn starting() -> World {
    let mut world = ready(&[1]);
    world.replicas[0].state = ReplicaState::Starting;
    world
}

#[tokio::test(start_paused = true)]
async fn what_is_expected_goes_before_what_a_whole_start_takes() {
    let throttler = throttler(1);
    let mut world = starting();
    world.typical_start = Some(60 * SECOND);
    throttler.follow(&world);
    tokio::time::advance(10 * SECOND).await;
    assert_eq!(throttler.outlook().estimate, Some(50 * SECOND));
    assert_eq!(throttler.outlook().expected, None);
    world.expected = Some(super::now() + 90 * SECOND);
    throttler.follow(&world);
    tokio::time::advance(10 * SECOND).await;
    assert_eq!(throttler.outlook().estimate, Some(80 * SECOND));
    assert_eq!(throttler.outlook().expected, Some(80 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn beside_replicas_that_serve_who_waits_is_told_when_a_slot_is_likely() {
    let throttler = throttler(1);
    let mut world = ready(&[1]);
    world.expected = Some(super::now() + 90 * SECOND);
    throttler.follow(&world);
    let mut permit = admitted(&throttler);
    permit.used(super::now());
    tokio::time::advance(2 * SECOND).await;
    drop(permit);
    let _running = admitted(&throttler);
    let _waits = waiting(&throttler);
    let estimate = throttler.outlook().estimate;
    assert!(estimate.is_some_and(|it| it < 10 * SECOND), "{estimate:?}");
}

#[tokio::test]
async fn a_replica_answers_first_once_and_only_after_a_start_that_was_seen() {
    let throttler = throttler(3);
    let mut world = ready(&[1, 2]);
    world.replicas[0].phase = Some(StartPhase::FirstAnswer);
    throttler.follow(&world);
    let answers = || {
        let replicas = throttler.replicas();
        let answers = replicas.iter().map(|it| (it.id, it.answers_first()));
        answers.collect::<Vec<_>>()
    };
    let all = |first| vec![(ReplicaId(1), first), (ReplicaId(2), false)];
    assert_eq!(answers(), all(true));
    assert_eq!(answers(), all(false));
    // Nor does it again where it listens elsewhere by now.
    world.replicas[0].endpoint = Some(Endpoint(([127, 0, 0, 1], 2000).into()));
    throttler.follow(&world);
    assert_eq!(answers(), all(false));
}
