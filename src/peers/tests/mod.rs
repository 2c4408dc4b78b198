//! Gateways and what they say to each other, in virtual time.

mod ends;
mod network;
mod sessions;
mod strangers;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::net::TcpListener;

use self::network::{Network, Way};
use self::support::{Gateway, grant, holds, of, pass, returned, seconds, some};
use super::{Net, News, TcpNet};
use crate::revision::RevisionId;
use crate::shares::{Order, Word};

const NOTHING: &str = "uid-2 joined with 0 {}";
const ALL: &str = "all are accounted for";

/// A leader, its one member, and what they heard until both knew.
async fn two(network: &Network) -> (Gateway, Gateway) {
    let (leader, member) = (Gateway::start(network, 1), Gateway::start(network, 2));
    meet(leader, member).await
}

async fn meet(mut leader: Gateway, mut member: Gateway) -> (Gateway, Gateway) {
    leader.knows(&[2]);
    leader.peers.lead(Some(1));
    assert_eq!(leader.hears().await, "led by uid-1 in 1");
    assert_eq!(member.hears().await, "led by uid-1 in 1");
    let mut joined = [leader.hears().await, leader.hears().await];
    joined.sort();
    assert_eq!(joined, ["uid-1 joined with 0 {}", NOTHING]);
    assert_eq!(leader.hears().await, ALL);
    (leader, member)
}

#[tokio::test(start_paused = true)]
async fn a_member_says_what_it_holds_and_obeys() {
    let network = Network::default();
    let (mut leader, mut member) = (Gateway::start(&network, 1), Gateway::start(&network, 2));
    *member.holds.lock() = holds(3);
    member.doors.send_replace(BTreeSet::from([20_000]));
    member.peers.say(returned(1));
    leader.knows(&[2]);
    leader.peers.lead(Some(7));
    assert_eq!(leader.hears().await, "led by uid-1 in 7");
    assert_eq!(leader.hears().await, "uid-1 joined with 0 {}");
    assert_eq!(member.hears().await, "led by uid-1 in 7");
    assert_eq!(leader.hears().await, "uid-2 joined with 3 {20000}");
    assert_eq!(leader.hears().await, "all are accounted for since 0 s");

    let orders = [
        Order::Grant(some(5)),
        Order::Recall(2),
        Order::Retire(vec!["p".into()]),
    ];
    leader.peers.order(&member.me(), of("a", &orders));
    assert_eq!(
        member.hears().await,
        "ordered a: grant 5 a: recall 2 a: retire 1"
    );
    member.peers.say(returned(2));
    assert_eq!(leader.hears().await, "uid-2 said a: returned 2");
    member.doors.send_replace(BTreeSet::new());
    assert_eq!(leader.hears().await, "uid-2 listens on {}");
    assert_eq!(
        leader.within(seconds(60)).await,
        [""; 0],
        "a beat is no news"
    );
    assert_eq!(member.within(seconds(1)).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_leader_is_a_member_of_its_own() {
    let mut alone = Gateway::start(&Network::default(), 1);
    alone.knows(&[]);
    *alone.holds.lock() = holds(3);
    alone.doors.send_replace(BTreeSet::from([20_000]));
    alone.peers.lead(Some(1));
    assert_eq!(alone.hears().await, "led by uid-1 in 1");
    assert_eq!(alone.hears().await, "uid-1 joined with 3 {20000}");
    assert_eq!(alone.hears().await, ALL);
    alone.peers.order(&alone.me(), grant(1));
    alone.peers.say(returned(2));
    assert_eq!(alone.hears().await, "ordered a: grant 1");
    assert_eq!(alone.hears().await, "uid-1 said a: returned 2");
    alone.doors.send_replace(BTreeSet::new());
    assert_eq!(alone.hears().await, "uid-1 listens on {}");
    alone.peers.lead(None);
    assert_eq!(alone.hears().await, "leaderless");
}

#[tokio::test(start_paused = true)]
async fn three_gateways_keep_the_order_of_what_they_say_whoever_leads() {
    let network = Network::default();
    let mut all = [1, 2, 3].map(|n| Gateway::start(&network, n));
    all[0].knows(&[2, 3]);
    all[1].knows(&[1, 3]);
    all[2].knows(&[1, 2]);
    for reign in 1..=6_u64 {
        let leads = usize::try_from(reign).expect("small") % 3;
        // Whoever led before may not have noticed.
        all[leads].peers.lead(Some(reign));
        for gateway in &mut all {
            gateway.within(seconds(2)).await;
        }
        let members = [0, 1, 2].map(|i| all[i].me());
        for n in 1..=50 {
            for member in &members {
                all[leads].peers.order(member, grant(n));
            }
        }
        for gateway in &mut all {
            for n in 1..=50 {
                let heard = gateway.hears().await;
                assert_eq!(heard, format!("ordered a: grant {n}"), "in reign {reign}");
            }
        }
        for n in 1..=50 {
            all[0].peers.say(returned(n));
            all[1].peers.say(returned(n));
            all[2].peers.say(returned(n));
        }
        let mut said = all[leads].within(seconds(1)).await;
        for who in 1..=3 {
            let of_one = said.extract_if(.., |said| said.starts_with(&format!("uid-{who}")));
            let wanted = (1..=50).map(|n| format!("uid-{who} said a: returned {n}"));
            assert!(of_one.eq(wanted), "in reign {reign}");
        }
        assert_eq!(said, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_fits_in_one_line_arrives_in_its_order() {
    let network = Network::default();
    let (leader, member) = (Gateway::start(&network, 1), Gateway::unread(&network, 2));
    let (leader, mut member) = meet(leader, member).await;
    let inbox = member.inbox.as_mut().expect("it is read here");
    let me = member.peers.me();
    let orders: Vec<_> = (1..=3000).flat_map(grant).collect();
    leader.peers.order(me, orders.clone());
    let mut heard = Vec::new();
    while heard.len() < orders.len() {
        match inbox.recv().await {
            Some(News::Ordered(some)) => heard.extend(some),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(heard, orders);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_is_not_there_yet_is_reached_as_soon_as_it_is() {
    let network = Network::default();
    let mut leader = Gateway::start(&network, 1);
    leader.knows(&[2]);
    leader.peers.lead(Some(1));
    leader.within(seconds(60)).await;
    let mut member = Gateway::start(&network, 2);
    let begun = tokio::time::Instant::now();
    assert_eq!(member.hears().await, "led by uid-1 in 1");
    assert_eq!(leader.hears().await, NOTHING);
    let within = Duration::from_millis(400);
    assert!(begun.elapsed() <= within, "{:?}", begun.elapsed());
    for _ in 0..10 {
        pass(seconds(1)).await;
        network.cut(2).await;
        let begun = tokio::time::Instant::now();
        assert_eq!(member.hears().await, "leaderless");
        assert_eq!(member.hears().await, "led by uid-1 in 1");
        assert!(
            begun.elapsed() < Duration::from_millis(300),
            "{:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_not_heard_for_three_seconds_is_silent_until_it_returns() {
    let network = Network::default();
    let (mut leader, mut member) = two(&network).await;
    network.set(2, Way::Stuck);
    let begun = tokio::time::Instant::now();
    assert_eq!(leader.hears().await, "uid-2 is silent");
    assert!(begun.elapsed() > seconds(2) && begun.elapsed() <= Duration::from_millis(3100));
    assert_eq!(member.hears().await, "leaderless");
    assert!(
        begun.elapsed() <= Duration::from_millis(3600),
        "{:?}",
        begun.elapsed()
    );
    leader.peers.order(&member.me(), grant(9));
    assert_eq!(leader.within(seconds(60)).await, [""; 0], "once");
    network.set(2, Way::Open);
    let returns = member.within(seconds(5)).await;
    assert_eq!(
        returns.last().expect("it is led"),
        "led by uid-1 in 1",
        "{returns:?}"
    );
    assert!(
        !returns.contains(&"ordered a: grant 9".to_owned()),
        "{returns:?}"
    );
    assert_eq!(
        leader.within(seconds(5)).await.last().expect("it joins"),
        NOTHING
    );
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_cut_off_and_nobody_waits_for_it() {
    let network = Network::default();
    let (mut leader, mut member) = two(&network).await;
    network.set(2, Way::Stuck);
    let pods = (0..4000).map(|n| format!("{n:0>1000}").into()).collect();
    let large = of("a", &[Order::Retire(pods)]);
    let begun = tokio::time::Instant::now();
    for _ in 0..20 {
        leader.peers.order(&member.me(), large.clone());
    }
    leader.peers.order(&leader.me(), grant(1));
    assert_eq!(leader.hears().await, "ordered a: grant 1");
    assert_eq!(begun.elapsed(), Duration::ZERO, "nobody waits");
    assert_eq!(leader.hears().await, "uid-2 is silent");
    assert!(begun.elapsed() < seconds(1), "{:?}", begun.elapsed());
    network.set(2, Way::Open);
    leader.within(seconds(5)).await;
    member.within(seconds(5)).await;
    member
        .peers
        .say(vec![(RevisionId::new("a"), Word::Returned(some(1)))]);
    assert_eq!(leader.hears().await, "uid-2 said a: returned 1");
}

#[tokio::test]
async fn over_tcp_others_are_reached_on_the_port_that_is_listened_on() {
    let first = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = first.local_addr().expect("it listens").port();
    let second = TcpListener::bind(("127.0.0.2", port))
        .await
        .expect("the same");
    let [first, second] = [first, second].map(|at| TcpNet::new(at).expect("it listens"));
    let there = "127.0.0.2".parse().expect("an address");
    let (dialed, accepted) = tokio::join!(first.dial(there), second.accept());
    let (dialed, accepted) = (
        dialed.expect("it listens"),
        accepted.expect("it was dialed"),
    );
    assert_eq!(accepted.peer_addr().ok(), dialed.local_addr().ok());
    assert!(dialed.nodelay().expect("an option") && accepted.nodelay().expect("an option"));
}
