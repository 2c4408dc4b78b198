//! Members that end, and those that might hold something.

use std::time::{Duration, Instant, SystemTime};

use super::network::{Network, Way};
use super::support::{Gateway, grant, pass, pod, seconds};
use super::{NOTHING, two};
use crate::peers::{PodState, Restart, Roll};
use crate::sync::{now, wall};

fn ago(time: Duration) -> Instant {
    now()
        .checked_sub(time)
        .expect("the machine has run so long")
}

/// The container of a pod has ended, and is started again.
fn restart(gateway: &Gateway, before: SystemTime) {
    gateway.changes(2, |pod| {
        pod.restarted = Some(Restart {
            before,
            heard: now(),
        });
    });
}

#[tokio::test(start_paused = true)]
async fn a_member_has_ended_when_its_pod_is_gone_and_nobody_hears_it() {
    let network = Network::default();
    let (mut leader, mut member) = two(&network).await;
    leader.changes(2, |pod| pod.state = PodState::Ended(now()));
    assert_eq!(leader.within(seconds(10)).await, [""; 0], "it answers");
    leader.peers.order(&member.me(), grant(1));
    assert_eq!(member.hears().await, "ordered a: grant 1");
    drop(member);
    assert_eq!(leader.hears().await, "uid-2 is silent");
    assert_eq!(leader.hears().await, "uid-2 ended 0 s ago");
    leader.changes(2, |pod| pod.state = PodState::Ended(now()));
    assert_eq!(leader.within(seconds(60)).await, [""; 0], "once");
}

#[tokio::test(start_paused = true)]
async fn a_silent_member_has_not_ended_until_its_pod_says_so() {
    let network = Network::default();
    let (mut leader, _member) = two(&network).await;
    network.set(2, Way::Closed);
    assert_eq!(leader.hears().await, "uid-2 is silent");
    assert_eq!(leader.within(seconds(600)).await, [""; 0]);
    restart(&leader, wall() - seconds(900));
    assert_eq!(
        leader.within(seconds(600)).await,
        [""; 0],
        "that was another"
    );
    restart(&leader, wall());
    pass(seconds(2)).await;
    assert_eq!(leader.hears().await, "uid-2 ended 0 s ago");
    leader.roll.send_replace(Roll {
        others: Vec::new(),
        seen: Some(now()),
    });
    assert_eq!(leader.within(seconds(60)).await, [""; 0], "once");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_nobody_remembers_has_ended() {
    let network = Network::default();
    let (mut leader, member) = two(&network).await;
    drop(member);
    assert_eq!(leader.hears().await, "uid-2 is silent");
    leader.knows(&[]);
    assert_eq!(leader.hears().await, "uid-2 ended 0 s ago");
}

#[tokio::test(start_paused = true)]
async fn another_life_of_the_same_pod_ends_the_one_before() {
    let network = Network::default();
    let (mut leader, member) = two(&network).await;
    let ended = member.me();
    drop(member);
    assert_eq!(leader.hears().await, "uid-2 is silent");
    pass(seconds(5)).await;
    let mut next = Gateway::start(&network, 2);
    assert_ne!(next.me(), ended);
    assert_eq!(next.hears().await, "led by uid-1 in 1");
    assert_eq!(leader.hears().await, "uid-2 ended 0 s ago");
    assert_eq!(leader.hears().await, NOTHING);
    leader.peers.order(&ended, grant(1));
    leader.peers.order(&next.me(), grant(2));
    assert_eq!(next.hears().await, "ordered a: grant 2");
    restart(&leader, wall() - seconds(3));
    assert_eq!(leader.within(seconds(60)).await, [""; 0], "that was told");
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_says_so_to_every_leader_and_does_not_end() {
    let network = Network::default();
    let (mut leader, mut member) = two(&network).await;
    member.peers.leave().await;
    assert_eq!(leader.hears().await, "uid-2 left");
    let mut next = Gateway::start(&network, 3);
    next.knows(&[2]);
    next.peers.lead(Some(2));
    let heard = next.within(seconds(10)).await;
    let wanted = [
        "led by uid-3 in 2",
        "uid-3 joined with 0 {}",
        "all are accounted for since 0 s",
    ];
    assert_eq!(heard, wanted);
    assert_eq!(
        member.within(seconds(10)).await,
        [""; 0],
        "it is asked nothing"
    );
    drop(member);
    leader.changes(2, |pod| pod.state = PodState::Ended(now()));
    next.changes(2, |pod| pod.state = PodState::Ended(now()));
    assert_eq!(leader.within(seconds(60)).await, [""; 0]);
    assert_eq!(next.within(seconds(60)).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_leaves_hears_it_of_itself() {
    let mut alone = Gateway::start(&Network::default(), 1);
    alone.knows(&[]);
    alone.peers.lead(Some(1));
    alone.within(seconds(1)).await;
    alone.peers.leave().await;
    assert_eq!(alone.hears().await, "uid-1 left");
}

#[tokio::test(start_paused = true)]
async fn a_reign_waits_for_everybody_who_may_hold_something() {
    let network = Network::default();
    let mut leader = Gateway::start(&network, 1);
    leader.peers.lead(Some(1));
    let heard = leader.within(seconds(5)).await;
    assert_eq!(
        heard,
        ["led by uid-1 in 1", "uid-1 joined with 0 {}"],
        "nobody is known"
    );
    leader.knows(&[2, 3, 4]);
    leader.changes(4, |pod| pod.state = PodState::Coming);
    assert_eq!(
        leader.within(seconds(60)).await,
        [""; 0],
        "two are not heard"
    );
    let mut member = Gateway::start(&network, 2);
    assert_eq!(member.hears().await, "led by uid-1 in 1");
    assert_eq!(leader.hears().await, NOTHING);
    assert_eq!(
        leader.within(seconds(60)).await,
        [""; 0],
        "one is not heard"
    );
    leader.changes(3, |pod| pod.state = PodState::Ended(ago(seconds(7))));
    assert_eq!(leader.hears().await, "all are accounted for since 7 s");
    leader.changes(4, |pod| pod.state = PodState::Living);
    assert_eq!(leader.within(seconds(60)).await, [""; 0], "once");
}

#[tokio::test(start_paused = true)]
async fn a_reign_waits_for_lives_that_ended_before_those_that_answer() {
    // A container that has ended, as the pods tell; one that they do not tell of yet; and none.
    let (told, untold, none) = (Some(seconds(4)), Some(seconds(60)), None);
    for (restarted, since, ago) in [
        (told, None, " since 4 s"),
        (None, untold, " since 2 s"),
        (None, none, ""),
        (None, Some(seconds(3)), ""),
    ] {
        let network = Network::default();
        let (mut leader, mut member) = (Gateway::start(&network, 1), Gateway::start(&network, 2));
        pass(seconds(2)).await;
        let mut other = pod(2);
        other.restarted = restarted.map(|ago| Restart {
            before: wall() - ago,
            heard: self::ago(ago),
        });
        other.since = since.map(|ago| wall() - ago);
        let seen = Some(now());
        let others = vec![other];
        leader.roll.send_replace(Roll { others, seen });
        leader.peers.lead(Some(1));
        assert_eq!(leader.hears().await, "led by uid-1 in 1");
        assert_eq!(leader.hears().await, "uid-1 joined with 0 {}");
        assert_eq!(member.hears().await, "led by uid-1 in 1");
        assert_eq!(leader.hears().await, NOTHING);
        let wanted = format!("all are accounted for{ago}");
        assert_eq!(leader.hears().await, wanted);
    }
}
