//! Replicas that are shared with other gateways: what is ours, what is returned when, and who is
//! told.

use std::time::Duration;

use super::Throttler;
use super::tests::{admitted, turn, waiting};
use super::tests_support::{bounds, ready, throttler};
use crate::admission::Holding;
use crate::ports::{Occupancy, ReplicaState, World};
use crate::revision::{ContainerConcurrency, ReplicaId};

const ONE: ReplicaId = ReplicaId(1);
const TWO: ReplicaId = ReplicaId(2);

/// Slots of each, and what runs there.
fn holdings(throttler: &Throttler<()>) -> Vec<(u64, u32, u32)> {
    let held = |h: Holding| (h.replica.0, h.slots, h.in_flight);
    throttler.holdings().into_iter().map(held).collect()
}

#[tokio::test]
async fn who_was_alone_keeps_what_there_is_and_gets_nothing_of_what_comes() {
    let throttler = throttler(2);
    throttler.follow(&ready(&[1]));
    assert_eq!(holdings(&throttler), [(1, 2, 0)]);
    throttler.divide(true);
    throttler.follow(&ready(&[1, 2]));
    let _both = (admitted(&throttler), admitted(&throttler));
    let mut place = waiting(&throttler);
    assert_eq!(holdings(&throttler), [(1, 2, 2)]);
    throttler.grant(TWO, 1);
    assert!(turn(&mut place).is_ready());
    assert_eq!(throttler.read().serving, 2, "a share of nothing serves too");
}

#[tokio::test]
async fn who_comes_to_others_holds_what_runs_until_it_ends() {
    let throttler = throttler(2);
    throttler.follow(&ready(&[1]));
    let permit = admitted(&throttler);
    throttler.divide(false);
    assert_eq!(holdings(&throttler), [(1, 1, 1)]);
    let mut place = waiting(&throttler);
    let mut news = throttler.share_news();
    drop(permit);
    assert!(turn(&mut place).is_pending(), "it was owed");
    assert!(news.has_changed().expect("the throttler lives"));
    news.mark_unchanged();
    assert_eq!(holdings(&throttler), [(1, 1, 0)], "nobody was told yet");
    assert_eq!(throttler.returned(), [(ONE, 1)]);
    assert_eq!(throttler.returned(), []);
    assert_eq!(holdings(&throttler), []);
    throttler.unite();
    assert!(turn(&mut place).is_ready());
}

#[tokio::test]
async fn what_is_recalled_goes_at_once_where_it_idles_else_before_the_line_gets_it() {
    let throttler = throttler(3);
    throttler.follow(&ready(&[1, 2]));
    throttler.divide(true);
    let (first, second) = (admitted(&throttler), admitted(&throttler));
    assert_eq!(throttler.recall(2), [(TWO, 2)]);
    assert_eq!(throttler.recall(3), [(TWO, 1), (ONE, 1)]);
    let (mut third, mut fourth) = (waiting(&throttler), waiting(&throttler));
    drop(first);
    assert!(turn(&mut third).is_pending());
    assert_eq!(throttler.returned(), [(ONE, 1)]);
    drop(second);
    assert!(turn(&mut third).is_ready());
    assert_eq!(throttler.returned(), []);
    // Nothing more can be owed than there is.
    assert_eq!(throttler.recall(9), []);
    throttler.grant(ONE, 2);
    assert_eq!(throttler.returned(), [(ONE, 1)]);
    assert!(turn(&mut fourth).is_ready());
}

#[tokio::test]
async fn what_is_asked_for_if_it_idles_is_owed_by_nobody() {
    let throttler = throttler(2);
    throttler.follow(&ready(&[1]));
    throttler.divide(true);
    let permit = admitted(&throttler);
    assert_eq!(throttler.spare(5), [(ONE, 1)]);
    drop(permit);
    assert_eq!(throttler.returned(), []);
    assert_eq!(holdings(&throttler), [(1, 1, 0)]);
}

#[tokio::test]
async fn a_replica_that_is_given_up_gets_nothing_until_it_is_granted_again() {
    for limit in [2, 0] {
        let throttler = throttler(limit);
        throttler.follow(&ready(&[1]));
        throttler.divide(true);
        let all = ContainerConcurrency::new(limit).slots();
        let permit = admitted(&throttler);
        assert_eq!(throttler.give_up(&[ONE, TWO]), [(ONE, all - 1)]);
        let mut place = waiting(&throttler);
        drop(permit);
        assert_eq!(throttler.returned(), [(ONE, 1)]);
        throttler.grant(TWO, 1);
        throttler.grant(ONE, 1);
        assert_eq!(throttler.returned(), [(ONE, 1), (TWO, 1)], "it is given up");
        assert_eq!(throttler.give_up(&[]), []);
        assert!(turn(&mut place).is_pending());
        throttler.grant(ONE, all);
        assert!(turn(&mut place).is_ready());
    }
}

#[tokio::test]
async fn at_a_lowered_limit_what_is_above_goes_as_it_ends() {
    let throttler = throttler(4);
    throttler.follow(&ready(&[1]));
    throttler.divide(true);
    let mut permits: Vec<_> = (0..3).map(|_| admitted(&throttler)).collect();
    throttler.set_limits(ContainerConcurrency::new(2), bounds());
    let mut place = waiting(&throttler);
    assert_eq!(throttler.keep(ONE, 1), 1);
    assert_eq!(throttler.keep(ONE, 1), 0, "it does");
    permits.truncate(1);
    assert_eq!(throttler.returned(), [(ONE, 2)]);
    assert!(turn(&mut place).is_pending());
    drop(permits);
    assert!(turn(&mut place).is_ready());
}

#[tokio::test]
async fn a_share_outlives_a_flap_and_is_void_when_the_replica_is_gone() {
    let mut away = ready(&[1]);
    away.replicas[0].state = ReplicaState::Starting;
    let throttler = throttler(2);
    throttler.follow(&ready(&[1]));
    throttler.divide(true);
    let permit = admitted(&throttler);
    throttler.follow(&away);
    drop(permit);
    assert_eq!(holdings(&throttler), [(1, 2, 0)]);
    throttler.follow(&ready(&[1]));
    let permit = admitted(&throttler);
    let mut news = throttler.share_news();
    throttler.follow(&World::default());
    assert!(news.has_changed().expect("the throttler lives"));
    news.mark_unchanged();
    assert_eq!(throttler.returned(), [(ONE, 1)]);
    drop(permit);
    assert_eq!(throttler.returned(), [(ONE, 1)]);
    assert_eq!(holdings(&throttler), []);
    // What is granted of one that has not come yet waits for it.
    throttler.grant(TWO, 1);
    throttler.follow(&World::default());
    assert_eq!(throttler.returned(), []);
    throttler.follow(&ready(&[2]));
    drop(admitted(&throttler));
}

#[tokio::test]
async fn who_waits_beside_replicas_of_which_nothing_is_ours_is_told_of() {
    let throttler = throttler(1);
    throttler.divide(false);
    let mut news = throttler.share_news();
    let _first = waiting(&throttler);
    assert!(!news.has_changed().expect("lives"), "nothing serves");
    throttler.follow(&ready(&[1]));
    assert!(news.has_changed().expect("lives"), "now it does");
    news.mark_unchanged();
    throttler.retire_one(ONE);
    assert!(!news.has_changed().expect("lives"), "nothing serves again");
    assert_eq!(throttler.revive(&[ONE]), [ONE]);
    assert!(news.has_changed().expect("lives"), "it is back in service");
    news.mark_unchanged();
    let _second = waiting(&throttler);
    assert!(news.has_changed().expect("lives"));
    throttler.unite();
    news.mark_unchanged();
    let _third = waiting(&throttler);
    assert!(!news.has_changed().expect("lives"), "nobody could help");
}

#[tokio::test(start_paused = true)]
async fn the_longest_answer_counts_to_the_end_of_those_whose_client_left() {
    let throttler = throttler(2);
    throttler.follow(&ready(&[1]));
    assert_eq!(throttler.longest_service(), None);
    drop(admitted(&throttler));
    assert_eq!(throttler.longest_service(), None, "nothing was sent");
    let (mut left, mut answered) = (admitted(&throttler), admitted(&throttler));
    left.used(super::now());
    answered.used(super::now());
    tokio::time::advance(Duration::from_secs(2)).await;
    drop(answered);
    left.abandon();
    assert_eq!(throttler.longest_service(), Some(Duration::from_secs(2)));
    tokio::time::advance(Duration::from_secs(5)).await;
    drop(left);
    assert_eq!(throttler.longest_service(), Some(Duration::from_secs(7)));
    tokio::time::advance(Duration::from_secs(1300)).await;
    assert_eq!(throttler.longest_service(), None);
}
