use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::tests_support::{back, ready, throttler};
use super::{Arrival, Denied, Permit, Place, Throttler};
use crate::admission::Full;
use crate::ports::{Occupancy, Outage, ReplicaState};
use crate::revision::{Endpoint, ReplicaId};

pub(super) fn admitted(throttler: &Arc<Throttler<()>>) -> Permit<()> {
    match throttler.arrive(0) {
        Arrival::Admitted(permit) => permit,
        other => panic!("not admitted: {other:?}"),
    }
}

pub(super) fn waiting(throttler: &Arc<Throttler<()>>) -> Place<()> {
    match throttler.arrive(0) {
        Arrival::Waiting(place) => place,
        other => panic!("not waiting: {other:?}"),
    }
}

/// Whether it is its turn, without waiting for it.
pub(super) fn turn(place: &mut Place<()>) -> Poll<Result<Permit<()>, Arc<Outage>>> {
    let turn = pin!(place).poll(&mut Context::from_waker(Waker::noop()));
    turn.map_err(|denied| match denied {
        Denied::Outage(outage) => outage,
        Denied::GaveWay => panic!("nobody gives way where who came first is served first"),
    })
}

#[tokio::test]
async fn a_freed_slot_goes_to_the_head_of_the_line_before_a_newcomer() {
    let throttler = throttler(1);
    throttler.follow(&ready(&[1]));
    let permit = admitted(&throttler);
    let (mut first, mut second) = (waiting(&throttler), waiting(&throttler));
    drop(permit);
    let newcomer = waiting(&throttler);
    assert!(turn(&mut second).is_pending());
    let Poll::Ready(Ok(permit)) = turn(&mut first) else {
        panic!("not the first's turn")
    };
    drop(newcomer);
    drop(permit);
    assert!(turn(&mut second).is_ready());
}

#[tokio::test]
async fn a_replica_that_becomes_ready_takes_exactly_its_limit() {
    let throttler = throttler(3);
    let mut places: Vec<_> = (0..10).map(|_| waiting(&throttler)).collect();
    throttler.follow(&ready(&[1, 2]));
    let permits: Vec<_> = places
        .iter_mut()
        .map(turn)
        .take_while(Poll::is_ready)
        .collect();
    assert_eq!(permits.len(), 6);
    assert_eq!(throttler.read().waiting, 4);
}

#[tokio::test]
async fn somebody_who_hangs_up_frees_a_place_at_once() {
    let throttler = throttler(1);
    let (first, mut second) = (waiting(&throttler), waiting(&throttler));
    drop(first);
    assert_eq!(throttler.read().waiting, 1);
    throttler.follow(&ready(&[1]));
    assert!(turn(&mut second).is_ready());
}

#[tokio::test]
async fn a_busy_replica_that_flaps_keeps_its_count() {
    let throttler = throttler(1);
    throttler.follow(&ready(&[1, 2]));
    let on_first = admitted(&throttler);
    assert_eq!(on_first.replica().id, ReplicaId(1));
    throttler.follow(&ready(&[2]));
    throttler.follow(&ready(&[1, 2]));
    assert_eq!(admitted(&throttler).replica().id, ReplicaId(2));
}

#[tokio::test]
async fn a_slot_whose_client_left_stays_occupied_until_the_replica_is_done() {
    let throttler = throttler(1);
    throttler.follow(&ready(&[1]));
    let mut permit = admitted(&throttler);
    permit.abandon();
    assert_eq!(throttler.peek().in_flight, 0, "nobody wants it any more");
    let mut place = waiting(&throttler);
    assert!(turn(&mut place).is_pending(), "but the replica still works");
    drop(permit);
    assert!(turn(&mut place).is_ready());
}

#[tokio::test]
async fn a_request_that_could_not_be_delivered_keeps_its_place() {
    let throttler = throttler(1);
    throttler.follow(&ready(&[1]));
    let permit = admitted(&throttler);
    let mut later = waiting(&throttler);
    let Arrival::Waiting(mut again) = permit.rebuffed(back()) else {
        panic!("nowhere else to go")
    };
    assert_eq!(
        throttler.read().serving,
        0,
        "what cannot be reached gets nothing"
    );
    throttler.restore(ReplicaId(1));
    assert!(turn(&mut later).is_pending());
    assert!(turn(&mut again).is_ready());
}

#[tokio::test]
async fn a_retired_replica_is_vacant_once_what_it_holds_has_ended() {
    let throttler = throttler(2);
    throttler.follow(&ready(&[1, 2]));
    let mut vacancies = throttler.vacancies();
    vacancies.mark_unchanged();
    let permit = admitted(&throttler);
    assert_eq!(
        throttler.retire(2),
        [ReplicaId(2), ReplicaId(1)],
        "the idle one first"
    );
    let mut place = waiting(&throttler);
    assert!(!throttler.is_vacant(ReplicaId(1)));
    drop(permit);
    assert!(vacancies.has_changed().expect("the throttler lives"));
    assert!(throttler.is_vacant(ReplicaId(1)));
    assert!(turn(&mut place).is_pending());
    assert_eq!(throttler.revive(&[ReplicaId(1)]), [ReplicaId(1)]);
    assert!(turn(&mut place).is_ready());
}

#[tokio::test]
async fn the_line_is_bounded_by_bytes() {
    let throttler = throttler(1);
    let Arrival::Waiting(place) = throttler.arrive(900) else {
        panic!("there is room")
    };
    assert!(matches!(
        throttler.arrive(200),
        Arrival::QueueFull(Full::Bytes)
    ));
    assert_eq!(place.hold_more(100), Ok(()));
    assert_eq!(place.hold_more(1), Err(Full::Bytes));
    drop(place);
    assert!(matches!(throttler.arrive(1000), Arrival::Waiting(_)));
}

#[tokio::test]
async fn somebody_at_zero_pokes() {
    let throttler = throttler(1);
    let _place = waiting(&throttler);
    throttler.poked().await;
    throttler.follow(&ready(&[1]));
}

#[tokio::test]
async fn a_replica_retired_before_it_was_listed_never_gets_a_request() {
    let throttler = throttler(1);
    throttler.retire_one(ReplicaId(1));
    throttler.follow(&ready(&[1]));
    assert!(matches!(throttler.arrive(0), Arrival::Waiting(_)));
    assert_eq!(throttler.revive(&[ReplicaId(1)]), [ReplicaId(1)]);
    drop(admitted(&throttler));
}

#[tokio::test]
async fn a_draining_replica_is_not_begun_with() {
    let throttler = throttler(1);
    let mut world = ready(&[1]);
    world.replicas[0].state = ReplicaState::Draining;
    throttler.follow(&world);
    assert!(matches!(throttler.arrive(0), Arrival::Waiting(_)));
}

#[tokio::test]
async fn a_stuck_replica_is_reported_once_and_gets_nothing_more() {
    let throttler = throttler(2);
    throttler.follow(&ready(&[1]));
    let mut vacancies = throttler.vacancies();
    vacancies.mark_unchanged();
    let _permit = admitted(&throttler);
    throttler.report_stuck(ReplicaId(1));
    assert!(vacancies.has_changed().expect("the throttler lives"));
    assert_eq!(throttler.stuck(), [ReplicaId(1)]);
    assert!(throttler.stuck().is_empty());
    assert!(matches!(throttler.arrive(0), Arrival::Waiting(_)));
}

#[tokio::test]
async fn a_replica_that_cannot_be_reached_for_a_moment_gives_nobody_more_time() {
    let throttler = throttler(1);
    throttler.follow(&ready(&[1]));
    let since = throttler.outlook().warm_since;
    let Arrival::Waiting(_place) = admitted(&throttler).rebuffed(back()) else {
        panic!("alone")
    };
    assert_eq!(throttler.outlook().warm_since, since);
}

#[tokio::test]
async fn a_slot_that_was_never_used_says_nothing_about_service() {
    let throttler = throttler(1);
    throttler.follow(&ready(&[1]));
    drop(admitted(&throttler));
    assert_eq!(throttler.read().typical_service, None);
    let mut permit = admitted(&throttler);
    permit.used(super::now());
    drop(permit);
    assert!(throttler.read().typical_service.is_some());
}

#[tokio::test]
async fn a_replica_that_listens_elsewhere_by_now_is_sent_to_there_and_keeps_its_count() {
    let throttler = throttler(2);
    throttler.follow(&ready(&[1]));
    let inside = admitted(&throttler);
    let mut moved = ready(&[1]);
    let there = Endpoint(([127, 0, 0, 1], 2000).into());
    moved.replicas[0].endpoint = Some(there);
    throttler.follow(&moved);
    let next = admitted(&throttler);
    assert_eq!(next.replica().endpoint, there);
    let mut third = waiting(&throttler);
    drop(inside);
    assert!(turn(&mut third).is_ready());
}
