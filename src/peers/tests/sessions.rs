//! What is still in an older connection.

use std::time::Duration;

use super::network::{Network, Way};
use super::support::{Gateway, grant, holds, pass, returned, seconds};
use super::{NOTHING, meet, two};
use crate::peers::News;

#[tokio::test(start_paused = true)]
async fn nothing_of_an_older_connection_is_heard_after_its_member_has_joined_again() {
    for lag in [0, 1, 40, 900, 2900, 3500] {
        let network = Network::default();
        let (mut leader, mut member) = two(&network).await;
        network.set(2, Way::Stuck);
        for n in 1..=5 {
            member.peers.say(returned(n));
            leader.peers.order(&member.me(), grant(n));
        }
        pass(Duration::from_millis(lag)).await;
        network.set(2, Way::Closed);
        pass(Duration::from_millis(50)).await;
        network.set(2, Way::Open);
        let (told, heard) = (
            leader.within(seconds(10)).await,
            member.within(seconds(10)).await,
        );
        let joined = told
            .iter()
            .position(|news| news == NOTHING)
            .expect("it joins");
        assert_eq!(told.len(), joined + 1, "{told:?}");
        let led = heard
            .iter()
            .position(|news| news.starts_with("led"))
            .expect("it is led");
        assert_eq!(heard.len(), led + 1, "{heard:?}");
        leader.peers.order(&member.me(), grant(6));
        assert_eq!(member.hears().await, "ordered a: grant 6");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_decided_before_a_member_was_heard_to_join_again_is_not_told_to_it() {
    let network = Network::default();
    let (leader, member) = (Gateway::unread(&network, 1), Gateway::start(&network, 2));
    let (mut leader, mut member) = meet(leader, member).await;
    network.cut(2).await;
    assert_eq!(member.hears().await, "leaderless");
    assert_eq!(member.hears().await, "led by uid-1 in 1");
    pass(seconds(1)).await;
    // It has joined again, and the leader has not read that yet.
    leader.peers.order(&member.me(), grant(1));
    assert_eq!(member.within(seconds(1)).await, [""; 0]);
    assert_eq!(leader.hears().await, "uid-2 is silent");
    leader.peers.order(&member.me(), grant(2));
    assert_eq!(member.within(seconds(1)).await, [""; 0]);
    assert_eq!(leader.hears().await, NOTHING);
    leader.peers.order(&member.me(), grant(3));
    assert_eq!(member.hears().await, "ordered a: grant 3");
}

#[tokio::test(start_paused = true)]
async fn what_is_said_before_the_answer_is_part_of_it() {
    let network = Network::default();
    let (leader, member) = (Gateway::start(&network, 1), Gateway::unread(&network, 2));
    let (mut leader, mut member) = meet(leader, member).await;
    network.cut(2).await;
    assert_eq!(member.hears().await, "leaderless");
    let Some(News::Led { ask, .. }) = member.inbox.as_mut().expect("it is read here").recv().await
    else {
        panic!("it is asked");
    };
    member.peers.say(returned(1));
    ask.answer(Vec::new());
    member.peers.say(returned(2));
    assert_eq!(leader.hears().await, "uid-2 is silent");
    assert_eq!(leader.hears().await, NOTHING);
    assert_eq!(leader.hears().await, "uid-2 said a: returned 2");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_is_asked_again() {
    let network = Network::default();
    let (leader, member) = (Gateway::start(&network, 1), Gateway::unread(&network, 2));
    let (_leader, mut member) = meet(leader, member).await;
    network.cut(2).await;
    assert_eq!(member.hears().await, "leaderless");
    let unanswered = member.inbox.as_mut().expect("it is read here").recv().await;
    assert!(matches!(unanswered, Some(News::Led { .. })));
    assert_eq!(member.hears().await, "leaderless");
    let Some(News::Led { ask: late, .. }) = unanswered else {
        panic!("it is asked");
    };
    assert_eq!(member.hears().await, "led by uid-1 in 1");
    late.answer(holds(1));
    assert_eq!(member.within(seconds(10)).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_is_obeyed_and_the_old_one_is_not_heard_any_more() {
    let network = Network::default();
    let (mut first, mut member) = two(&network).await;
    let mut second = Gateway::start(&network, 3);
    second.knows(&[1, 2]);
    // What the first has said is on its way.
    for n in 1..=5 {
        first.peers.order(&member.me(), grant(n));
    }
    second.peers.lead(Some(2));
    second.within(seconds(5)).await;
    for n in 6..=10 {
        first.peers.order(&member.me(), grant(n));
        first.peers.order(&first.me(), grant(n));
    }
    let heard = member.within(seconds(10)).await;
    assert_eq!(
        heard.last().expect("it is led"),
        "led by uid-3 in 2",
        "{heard:?}"
    );
    let heard = first.within(seconds(10)).await;
    assert_eq!(
        heard,
        [
            "uid-1 is silent",
            "led by uid-3 in 2",
            "uid-2 is silent",
            "outdone by 2"
        ]
    );
    second.peers.order(&first.me(), grant(11));
    assert_eq!(first.hears().await, "ordered a: grant 11");
    first.peers.lead(None);
    first.peers.say(returned(1));
    assert_eq!(second.hears().await, "uid-1 said a: returned 1");
    first.peers.lead(Some(1));
    let heard = first.within(seconds(10)).await;
    assert_eq!(heard, ["outdone by 2"], "that reign is over");
}

#[tokio::test(start_paused = true)]
async fn news_of_an_older_reign_are_not_read_in_a_newer_one() {
    let network = Network::default();
    let (leader, member) = (Gateway::unread(&network, 1), Gateway::start(&network, 2));
    let (mut leader, member) = meet(leader, member).await;
    member.peers.say(returned(1));
    pass(seconds(1)).await;
    leader.peers.lead(Some(2));
    pass(Duration::from_millis(500)).await;
    let heard = leader.within(seconds(5)).await;
    let wanted = [
        "led by uid-1 in 2",
        NOTHING,
        "uid-1 joined with 0 {}",
        "all are accounted for since 1 s",
    ];
    assert_eq!(heard, wanted);
}
