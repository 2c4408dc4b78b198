//! Who comes, waits or is served while no replica can come.

use std::sync::Arc;
use std::task::Poll;

use super::Arrival;
use super::tests::{admitted, turn, waiting};
use super::tests_support::{back, ready, throttler};
use crate::ports::{Outage, OutageReason, World};

#[tokio::test]
async fn an_outage_answers_everybody_who_waits() {
    let throttler = throttler(1);
    let mut place = waiting(&throttler);
    let detail = "exit status: 1".to_owned();
    let reason = OutageReason::ColdStartFailed;
    let outage = Arc::new(Outage {
        reason,
        detail,
        next_attempt: None,
    });
    throttler.follow(&World {
        outage: Some(Arc::clone(&outage)),
        ..World::default()
    });
    let Poll::Ready(Err(told)) = turn(&mut place) else {
        panic!("still waits")
    };
    assert_eq!(told, outage);
    assert!(matches!(throttler.arrive(0), Arrival::Outage(_)));
    assert_eq!(throttler.peek().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn who_is_turned_away_wants_it_unless_its_owner_does_not() {
    let throttler = throttler(1);
    let began = throttler.glance().idle_since;
    let turned_away = async |reason| {
        let outage = Outage {
            reason,
            detail: String::new(),
            next_attempt: None,
        };
        throttler.follow(&World {
            outage: Some(Arc::new(outage)),
            ..World::default()
        });
        tokio::time::advance(std::time::Duration::from_secs(7)).await;
        assert!(matches!(throttler.arrive(0), Arrival::Outage(_)));
        throttler.sample()
    };
    let sample = turned_away(OutageReason::Stopped).await;
    assert_eq!(sample.idle_since, began);
    let sample = turned_away(OutageReason::Unschedulable).await;
    assert_eq!(sample.idle_since, Some(super::now()));
    assert_eq!((sample.in_flight, sample.report.requests), (0, 0));
}

#[tokio::test]
async fn an_outage_of_newcomers_does_not_touch_who_is_served() {
    let throttler = throttler(1);
    let mut world = ready(&[1]);
    let (reason, detail) = (OutageReason::ColdStartFailed, String::new());
    world.outage = Some(Arc::new(Outage {
        reason,
        detail,
        next_attempt: None,
    }));
    throttler.follow(&world);
    drop(admitted(&throttler));
}

#[tokio::test]
async fn what_is_closed_stays_closed() {
    let throttler = throttler(1);
    throttler.follow(&ready(&[1]));
    let permit = admitted(&throttler);
    let mut place = waiting(&throttler);
    let (reason, detail) = (OutageReason::Draining, String::new());
    throttler.close(Outage {
        reason,
        detail,
        next_attempt: None,
    });
    assert!(matches!(turn(&mut place), Poll::Ready(Err(_))));
    throttler.follow(&ready(&[1, 2]));
    assert!(matches!(throttler.arrive(0), Arrival::Outage(_)));
    assert!(matches!(permit.rebuffed(back()), Arrival::Outage(_)));
    assert_eq!(throttler.peek().in_flight, 0);
}
