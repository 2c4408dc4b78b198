//! A fair line, and everybody's count of who waits.

use std::sync::Arc;
use std::time::Duration;

use super::tests::turn;
use super::tests_support::{bounds, ready};
use super::{Arrival, Crowd, Denied, Place, Throttler};
use crate::admission::{Back, Class, Deadline, Full, Tenant, Terms};
use crate::revision::{ContainerConcurrency, QueueLimits, QueueOrder};
use crate::trace::Tape;

fn fair(crowd: &Arc<Crowd>, max_requests: usize) -> Arc<Throttler<()>> {
    let order = QueueOrder::Fair {
        ageing: Duration::from_secs(30),
        max_tenants: 10,
    };
    let bounds = QueueLimits {
        max_requests,
        order,
        ..bounds()
    };
    let limit = ContainerConcurrency::new(1);
    let throttler = Throttler::among(Arc::clone(crowd), limit, bounds, Tape::default());
    throttler.follow(&ready(&[1]));
    throttler
}

fn of(class: Class, tenant: u64) -> Terms {
    Terms {
        class,
        tenant: Tenant(tenant),
        deadline: None,
    }
}

fn waits(throttler: &Arc<Throttler<()>>, terms: Terms) -> Place<()> {
    match throttler.arrive_on(10, || terms) {
        Arrival::Waiting(place) => place,
        other => panic!("wanted a place in line: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_replica_could_not_be_reached_is_the_next_of_its_class() {
    let throttler = fair(&Arc::default(), 100);
    let terms = of(Class::Default, 7);
    let Arrival::Admitted(permit) = throttler.arrive_on(0, || terms) else {
        panic!("a slot is free");
    };
    let (bytes, since) = (0, super::now());
    let own = waits(&throttler, terms);
    let other = waits(&throttler, of(Class::Default, 8));
    let above = waits(&throttler, of(Class::Interactive, 8));
    let Arrival::Waiting(again) = permit.rebuffed(Back {
        bytes,
        terms,
        since,
    }) else {
        panic!("nobody else serves");
    };
    let places = [&above, &again, &own, &other].map(|place| throttler.position(place.ticket()));
    assert_eq!(
        places,
        [Some(1), Some(2), Some(3), Some(4)],
        "its turn was not charged twice"
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_way_is_told_and_counted_no_longer() {
    let crowd = Arc::new(Crowd::new(100, 1000));
    let throttler = fair(&crowd, 2);
    let Arrival::Admitted(_permit) = throttler.arrive(0) else {
        panic!("a slot is free");
    };
    let mut bulk = waits(&throttler, of(Class::Bulk, 0));
    let first = waits(&throttler, of(Class::Default, 0));
    assert_eq!(crowd.read(), (2, 20));
    let second = waits(&throttler, of(Class::Default, 0));
    assert_eq!(crowd.read(), (2, 20));
    let told = std::future::poll_fn(|cx| std::pin::Pin::new(&mut bulk).poll(cx)).await;
    assert!(matches!(told, Err(Denied::GaveWay)));
    let full = throttler.arrive_on(10, || of(Class::Default, 0));
    assert!(
        matches!(full, Arrival::QueueFull(Full::Requests)),
        "{full:?}"
    );
    drop((bulk, first, second));
    assert_eq!(crowd.read(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_no_more_leaves_his_share_to_others() {
    let throttler = fair(&Arc::default(), 100);
    let Arrival::Admitted(_permit) = throttler.arrive(0) else {
        panic!("a slot is free");
    };
    // More tenants than may have a share at once, one after another.
    for tenant in 1..=20 {
        drop(waits(&throttler, of(Class::Default, tenant)));
    }
    let many = [(); 3].map(|()| waits(&throttler, of(Class::Default, 30)));
    let one = waits(&throttler, of(Class::Default, 31));
    let places = [&many[0], &one, &many[1], &many[2]];
    let places = places.map(|place| throttler.position(place.ticket()));
    assert_eq!(places, [Some(1), Some(2), Some(3), Some(4)]);
}

#[tokio::test(start_paused = true)]
async fn everybodys_bounds_hold_over_all_lines() {
    let crowd = Arc::new(Crowd::new(3, 100));
    let (one, two) = (fair(&crowd, 100), fair(&crowd, 100));
    let busy = [one.arrive(0), two.arrive(0)];
    let terms = of(Class::Default, 0);
    let (a, b) = (waits(&one, terms), waits(&two, terms));
    assert_eq!(a.hold_more(81), Err(Full::AllBytes));
    assert_eq!(a.hold_more(80), Ok(()));
    let bytes = two.arrive(1);
    assert!(
        matches!(bytes, Arrival::QueueFull(Full::AllBytes)),
        "{bytes:?}"
    );
    let c = two.arrive(0);
    let count = one.arrive(0);
    assert!(
        matches!(count, Arrival::QueueFull(Full::AllRequests)),
        "{count:?}"
    );
    assert_eq!(crowd.read(), (3, 100));
    // Those who leave, are served and are sent away leave it alike.
    drop(a);
    assert_eq!(crowd.read(), (2, 10));
    let [_, second] = busy;
    drop(second);
    assert_eq!(crowd.read(), (1, 0));
    let outage = crate::ports::Outage {
        reason: crate::ports::OutageReason::Draining,
        detail: String::new(),
        next_attempt: None,
    };
    two.close(outage);
    assert_eq!(crowd.read(), (0, 0));
    drop((b, c));
    assert_eq!(crowd.read(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_in_time_takes_no_place() {
    let throttler = fair(&Arc::default(), 100);
    for _ in 0..2 {
        let Arrival::Admitted(mut permit) = throttler.arrive(0) else {
            panic!("a slot is free");
        };
        permit.used(super::now());
        tokio::time::advance(Duration::from_secs(10)).await;
    }
    let Arrival::Admitted(_permit) = throttler.arrive(0) else {
        panic!("a slot is free");
    };
    let _bulk = waits(&throttler, of(Class::Bulk, 0));
    let within = |class, seconds| Terms {
        deadline: Some(Deadline::Whole(super::now() + Duration::from_secs(seconds))),
        ..of(class, 0)
    };
    // It goes before the one of bulk: nothing to wait for, and then its own ten seconds.
    let late = throttler.arrive_on(0, || within(Class::Default, 9));
    assert!(matches!(late, Arrival::Late(Duration::ZERO)), "{late:?}");
    let ten = Duration::from_secs(10);
    let late = throttler.arrive_on(0, || within(Class::Bulk, 19));
    assert!(
        matches!(late, Arrival::Late(wait) if wait == ten),
        "{late:?}"
    );
    assert_eq!(throttler.read().waiting, 1);
    let mut in_time = waits(&throttler, within(Class::Default, 10));
    assert!(turn(&mut in_time).is_pending());
}
