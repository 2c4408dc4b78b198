//! What happens between two supervisors at their desks, with the throttlers of both.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::arbiter::Standing;
use super::{Ask, Desk, Places};
use crate::ports::{ReplicaState, ReplicaView, World};
use crate::revision::{ContainerConcurrency, Endpoint, QueueLimits, ReplicaId, RevisionId};
use crate::sync::now;
use crate::throttler::{Arrival, Throttler};

const FIRST: ReplicaId = ReplicaId(1);

/// One revision: its desk and who waits for it.
struct Party {
    desk: Desk,
    throttler: Arc<Throttler<()>>,
}

impl Party {
    fn of(name: &str, places: &Places) -> Self {
        let bounds = QueueLimits {
            max_requests: 9,
            max_bytes: 0,
            timeout: Duration::ZERO,
            cold_timeout: Duration::ZERO,
            read_ahead: 0,
            order: crate::revision::QueueOrder::Fifo,
        };
        let throttler = Throttler::new(ContainerConcurrency::new(1), bounds);
        let occupancy = Arc::clone(&throttler);
        let desk = Desk::new(places.clone(), RevisionId::new(name), 0, occupancy);
        Self { desk, throttler }
    }

    /// Asks for a place for its first replica, as a supervisor that looks at its replicas does.
    fn ask(&self, is_bare: bool) -> Option<super::Place> {
        let (replica, devices) = (FIRST, 0);
        self.desk.take(Ask {
            replica,
            devices,
            is_bare,
        })
    }

    fn look(&self) -> usize {
        self.desk.sit_down().len()
    }

    /// Its replica serves, and nobody is there.
    fn serves(&self) {
        let view = ReplicaView {
            phase: None,
            kept_by: None,
            uid: None,
            id: FIRST,
            name: None,
            endpoint: Some(Endpoint(([127, 0, 0, 1], 9).into())),
            detail: None,
            state: ReplicaState::Ready,
            since: now(),
        };
        self.throttler.follow(&World {
            replicas: vec![view],
            ..World::default()
        });
        self.desk.get_up(&[(FIRST, Standing::Serving(now()))]);
    }

    fn is_waited_for(&self) -> Arrival<()> {
        self.throttler.arrive(0)
    }
}

/// One place: the first revision serves there, the second wants it.
fn both(is_bare: bool) -> (Party, super::Place, Party, Arrival<()>) {
    let places = Places::new(1);
    let [first, second] = ["a", "b"].map(|name| Party::of(name, &places));
    let place = first.ask(true).expect("it is free");
    first.serves();
    first.look();
    let waits = second.is_waited_for();
    assert!(second.ask(is_bare).is_none());
    second.desk.get_up(&[]);
    (first, place, second, waits)
}

#[tokio::test]
async fn nothing_is_taken_from_a_supervisor_that_looks_at_its_replicas() {
    let (first, _place, _second, _waits) = both(true);
    assert_eq!(first.look(), 0);
    first.serves();
    assert_eq!(first.look(), 1);
}

#[tokio::test]
async fn who_has_a_replica_of_its_own_takes_none_of_another() {
    let (first, _place, _second, _waits) = both(false);
    first.serves();
    assert_eq!(first.look(), 0);
}

#[tokio::test]
async fn what_is_granted_and_not_wanted_any_more_goes_to_the_next() {
    let (first, place, second, _waits) = both(true);
    drop(place);
    second.look();
    second.desk.leave();
    assert!(first.ask(true).is_some(), "it was given back");
}

#[tokio::test]
async fn what_is_granted_to_who_is_gone_goes_to_the_next() {
    let (first, place, second, _waits) = both(true);
    drop(place);
    drop(second.desk);
    assert!(first.ask(true).is_some(), "it was given back");
}

#[tokio::test(start_paused = true)]
async fn what_is_granted_while_a_supervisor_looks_is_not_overlooked() {
    let (_first, place, second, _waits) = both(true);
    let called = || timeout(Duration::from_secs(1), second.desk.called());
    second.look();
    drop(place);
    // Whatever it was called for before, it has looked since.
    let _ = called().await;

    second.desk.get_up(&[]);

    assert!(called().await.is_ok());
    assert!(second.ask(true).is_some());
}
