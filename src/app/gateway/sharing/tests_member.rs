//! What a member does as it is told, and what a leader answers its backend.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::commons::{Commons, Hall};
use super::ledger::Ledger;
use super::member::{Member, words};
use super::names::Early;
use super::tests::{ledger, member, slots};
use super::{Command, Standing};
use crate::app::gateway::tests::spec;
use crate::ports::{Occupancy, ReplicaState, ReplicaView, World};
use crate::proxy::Throttler;
use crate::revision::{Endpoint, OnDisconnect, ReplicaId, RevisionSpec};
use crate::shares::{Measured, Order, Pod, Report, Slots, Word};
use crate::sync::now;
use crate::throttler::Arrival;

const POD: ReplicaId = ReplicaId(1);
const OTHER: ReplicaId = ReplicaId(2);

/// In it the replicas `pod` and `other` are ready.
fn world() -> World {
    let replica = |(id, uid): (ReplicaId, &str)| ReplicaView {
        phase: None,
        kept_by: None,
        uid: Some(uid.into()),
        id,
        name: None,
        endpoint: Some(Endpoint(([127, 0, 0, 1], 1000).into())),
        detail: None,
        state: ReplicaState::Ready,
        since: now(),
    };
    World {
        replicas: [(POD, "pod"), (OTHER, "other")].map(replica).into(),
        ..World::default()
    }
}

/// Replicas that are shared, and where is heard what is told of them.
fn commons() -> (Arc<Commons>, mpsc::UnboundedReceiver<Command>) {
    let spec = spec(2);
    let throttler = Throttler::new(spec.container_concurrency, spec.queue);
    let (commands, told) = mpsc::unbounded_channel();
    let hall = Hall {
        commands,
        standing: watch::Sender::new(Standing::Unknown).subscribe(),
        unheard: Arc::new(AtomicBool::new(false)),
    };
    throttler.divide(false);
    throttler.follow(&world());
    let commons = Commons::new(&spec, throttler, Some(hall), None);
    commons.known.lock().names.see(&world(), now());
    (Arc::new(commons), told)
}

fn of(pod: &str, slots: u32) -> Slots {
    let pod = pod.into();
    Slots { pod, slots }
}

#[tokio::test]
async fn what_a_member_still_holds_is_not_vacant_for_the_backend() {
    let (commons, mut told) = commons();
    commons.known.lock().ledger = Some(ledger());
    commons.retire_one(POD);
    assert!(matches!(told.try_recv(), Ok(Command::Look(_))));
    assert_eq!(commons.vacant(vec![POD]), [], "nobody was told yet");
    let change = |change: &dyn Fn(&mut Ledger)| {
        let mut known = commons.known.lock();
        change(known.ledger.as_mut().expect("it leads"));
    };
    let retired = BTreeSet::from([Pod::from("pod")]);
    change(&|ledger| drop(ledger.set(&[slots("pod")], &retired, now())));
    assert_eq!(commons.vacant(vec![POD]), [], "a member may have begun");
    change(&|ledger| drop(ledger.returned(&member("b"), &slots("pod"), now())));
    assert_eq!(commons.vacant(vec![POD]), [POD]);
    commons.known.lock().ledger = None;
    assert_eq!(commons.vacant(vec![POD]), [], "another leads, and knows");
}

#[tokio::test]
async fn a_member_lets_those_fall_idle_that_its_leader_wants_to() {
    let (commons, _told) = commons();
    let world = watch::Sender::new(world()).subscribe();
    let mut member = Member::new(Arc::clone(&commons), world, Early::default());
    for pod in ["pod", "other"] {
        assert_eq!(member.obey(Order::Grant(of(pod, 2))), []);
    }
    let enter = || match commons.throttler.arrive(0) {
        Arrival::Admitted(permit) => permit,
        other => panic!("wanted to be let in: {other:?}"),
    };
    let both = || {
        let both = [enter(), enter()];
        both.each_ref().map(|permit| permit.replica().id)
    };
    for (rests, serves) in [("other", POD), ("pod", OTHER)] {
        assert_eq!(member.obey(Order::Rest(vec![rests.into()])), []);
        assert_eq!(both(), [serves; 2]);
    }
    member.look();
    assert_eq!(both(), [OTHER; 2], "it goes on");
    // For a new leader nobody rests.
    member.holds();
    assert_eq!(both(), [POD; 2]);
}

#[tokio::test(start_paused = true)]
async fn what_a_member_keeps_less_of_is_returned_at_once_where_it_idles() {
    let (commons, _told) = commons();
    let world = watch::Sender::new(world()).subscribe();
    let mut member = Member::new(commons, world, Early::default());
    member.obey(Order::Grant(of("pod", 2)));
    let one = words([of("pod", 1)]);
    assert_eq!(member.obey(Order::Keep(of("pod", 1))), one);
    assert_eq!(member.obey(Order::Keep(of("pod", 1))), []);
}

#[tokio::test(start_paused = true)]
async fn a_member_of_which_nothing_is_asked_says_nothing_and_tells_a_new_leader_what_took_longest()
{
    let (commons, _told) = commons();
    let world = watch::Sender::new(world()).subscribe();
    let mut member = Member::new(Arc::clone(&commons), world, Early::default());
    member.obey(Order::Grant(of("pod", 2)));
    assert_eq!(member.second(true, now()), None);
    let Arrival::Admitted(mut permit) = commons.throttler.arrive(0) else {
        panic!("wanted to be let in");
    };
    permit.used(now());
    let two = Duration::from_secs(2);
    tokio::time::sleep(two).await;
    drop(permit);
    let held = member.holds();
    assert_eq!(
        (held.slots, held.longest_service),
        (vec![of("pod", 2)], Some(two))
    );
    let Some(Word::Report(report)) = member.second(true, now()) else {
        panic!("something was measured");
    };
    assert_eq!(report.measured.map(|measured| measured.requests), Some(1));
    let longest_service = Some(two);
    // What ends with nothing is said once.
    let nothing = Report {
        measured: Some(Measured::default()),
        longest_service,
        ..Report::default()
    };
    assert_eq!(member.second(true, now()), Some(Word::Report(nothing)));
    assert_eq!(member.second(true, now()), None);
    member.holds();
    assert_eq!(
        member.second(true, now()),
        None,
        "it was told with the rest"
    );
}

#[tokio::test]
async fn where_closing_a_connection_frees_the_slot_nobody_waits_for_who_has_ended() {
    let (commons, _told) = commons();
    let long = || commons.wait(&commons.known.lock()).long();
    assert_eq!(long(), Duration::from_secs(300), "nothing was measured");
    commons.change(&RevisionSpec {
        on_disconnect: OnDisconnect::Release,
        ..spec(2)
    });
    assert_eq!(long(), Duration::ZERO);
}
