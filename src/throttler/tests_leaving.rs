//! Replicas that go away, cannot be reached, or that nobody wants: who is told, and who still served.

use std::task::Poll;

use super::tests::{admitted, turn, waiting};
use super::tests_support::{back, ready, throttler};
use super::{Arrival, Kept, Throttler};
use crate::ports::{Occupancy, Outage, OutageReason, ReplicaState, World};
use crate::revision::ReplicaId;
use crate::sync::Mutex;

/// These replicas are ready, and those drain.
fn draining(ids: &[u64], drain: &[u64]) -> World {
    let mut world = ready(ids);
    for replica in &mut world.replicas {
        if drain.contains(&replica.id.0) {
            replica.state = ReplicaState::Draining;
        }
    }
    world
}

fn out(world: World, reason: OutageReason) -> World {
    let outage = Outage {
        reason,
        detail: "its owner wants none".into(),
        next_attempt: None,
    };
    World {
        outage: Some(outage.into()),
        ..world
    }
}

#[tokio::test]
async fn a_replica_that_drains_takes_nothing_more_and_finishes_what_it_has() {
    let throttler = throttler(2);
    throttler.follow(&ready(&[1, 2]));
    let on_first = admitted(&throttler);
    let mut vacancies = throttler.vacancies();
    throttler.follow(&draining(&[1, 2], &[1]));
    for _ in 0..2 {
        let permit = admitted(&throttler);
        assert_eq!(permit.replica().id, ReplicaId(2));
        std::mem::forget(permit);
    }
    let mut place = waiting(&throttler);
    vacancies.mark_unchanged();
    drop(on_first);
    assert!(vacancies.has_changed().expect("the throttler lives"));
    assert!(throttler.is_vacant(ReplicaId(1)));
    assert!(turn(&mut place).is_pending(), "its slots are nobody's");
    assert_eq!(throttler.retire(2), [ReplicaId(2)], "it is taken already");

    // It stays after all.
    throttler.follow(&ready(&[1, 2]));
    assert!(turn(&mut place).is_ready());
}

#[tokio::test]
async fn a_revision_that_only_drains_is_cold() {
    let throttler = throttler(1);
    throttler.follow(&ready(&[1]));
    assert!(throttler.outlook().warm_since.is_some());
    throttler.follow(&draining(&[1], &[1]));
    assert_eq!(throttler.outlook().warm_since, None);
    let _waits = waiting(&throttler);
    throttler.poked().await;
}

#[tokio::test]
async fn a_backend_hears_of_a_replica_that_could_not_be_reached() {
    let throttler = throttler(1);
    throttler.follow(&ready(&[1, 2]));
    let mut vacancies = throttler.vacancies();
    vacancies.mark_unchanged();
    let Arrival::Admitted(elsewhere) = admitted(&throttler).rebuffed(back()) else {
        panic!("the other one is free")
    };
    assert_eq!(elsewhere.replica().id, ReplicaId(2));
    assert!(vacancies.has_changed().expect("the throttler lives"));
    assert_eq!(throttler.suspects(), [ReplicaId(1)]);
    throttler.restore(ReplicaId(1));
    assert_eq!(throttler.suspects(), []);
}

#[tokio::test]
async fn a_replica_that_was_looked_at_anew_is_suspected_no_longer() {
    for away in [ready(&[]), draining(&[1], &[1])] {
        let throttler = throttler(2);
        throttler.follow(&ready(&[1]));
        let _inside = admitted(&throttler);
        let Arrival::Waiting(mut place) = admitted(&throttler).rebuffed(back()) else {
            panic!("it is alone")
        };
        throttler.follow(&ready(&[1]));
        assert_eq!(throttler.suspects(), [ReplicaId(1)], "nobody has looked");
        throttler.follow(&away);
        assert_eq!(throttler.suspects(), []);
        throttler.follow(&ready(&[1]));
        assert!(turn(&mut place).is_ready());
    }
}

#[tokio::test]
async fn a_stopped_revision_answers_at_once_though_replicas_serve() {
    for reason in [OutageReason::Stopped, OutageReason::Removed] {
        let throttler = throttler(1);
        throttler.follow(&ready(&[1]));
        let running = admitted(&throttler);
        let mut place = waiting(&throttler);
        throttler.follow(&out(ready(&[1]), reason));
        let Poll::Ready(Err(told)) = turn(&mut place) else {
            panic!("it still waits")
        };
        assert_eq!(told.reason, reason);
        assert_eq!(throttler.read().running, 1, "what runs goes on");
        drop(running);
        let (before, mut vacancies) = (throttler.sample(), throttler.vacancies());
        vacancies.mark_unchanged();
        for world in [ready(&[1]), World::default()] {
            throttler.follow(&out(world, reason));
            assert!(matches!(throttler.arrive(9), Arrival::Outage(_)));
        }
        let after = throttler.sample();
        assert_eq!(
            (after.in_flight, after.report.requests),
            (0, 0),
            "no demand"
        );
        assert_eq!(before.idle_since, after.idle_since);
        assert!(!vacancies.has_changed().expect("the throttler lives"));
        let poked = tokio::time::timeout(std::time::Duration::ZERO, throttler.poked());
        assert!(poked.await.is_err(), "nobody is woken");

        throttler.follow(&ready(&[1]));
        drop(admitted(&throttler));
    }
}

#[tokio::test]
async fn an_undelivered_request_of_a_stopped_revision_goes_where_it_can_or_is_told() {
    let throttler = throttler(1);
    throttler.follow(&ready(&[1, 2]));
    let permit = admitted(&throttler);
    throttler.follow(&out(ready(&[1, 2]), OutageReason::Stopped));
    let Arrival::Admitted(permit) = permit.rebuffed(back()) else {
        panic!("it was let in, and a replica is free")
    };
    assert!(matches!(permit.rebuffed(back()), Arrival::Outage(_)));
    assert_eq!(throttler.peek().in_flight, 0);
}

/// Notes what it was told last.
#[derive(Debug)]
struct Told(Mutex<Vec<bool>>);

impl Default for Told {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl Kept for Told {
    fn leaves(&self, leaving: bool) {
        self.0.lock().push(leaving);
    }
}

#[tokio::test]
async fn what_is_kept_for_a_replica_is_told_whether_it_leaves() {
    let limit = crate::revision::ContainerConcurrency::new(1);
    let throttler = Throttler::<Told>::new(limit, super::tests_support::bounds());
    throttler.follow(&ready(&[1]));
    let Arrival::Admitted(permit) = throttler.arrive(0) else {
        panic!("it is free")
    };
    for world in [
        draining(&[1], &[1]),
        ready(&[1]),
        World::default(),
        ready(&[1]),
    ] {
        throttler.follow(&world);
    }
    let told = permit.replica().connections.0.lock().clone();
    assert_eq!(told, [true, false, true, false]);
}

#[tokio::test]
async fn what_runs_when_no_replica_will_come_any_more_is_not_disturbed() {
    let limit = crate::revision::ContainerConcurrency::new(1);
    let throttler = Throttler::<Told>::new(limit, super::tests_support::bounds());
    throttler.follow(&ready(&[1]));
    let Arrival::Admitted(permit) = throttler.arrive(0) else {
        panic!("it is free")
    };
    throttler.close(Outage {
        reason: OutageReason::Draining,
        detail: "it ends".into(),
        next_attempt: None,
    });
    throttler.follow(&draining(&[1], &[1]));
    let told = permit.replica().connections.0.lock().clone();
    assert_eq!(told, Vec::<bool>::new());
    assert!(matches!(throttler.arrive(0), Arrival::Outage(_)));
}
