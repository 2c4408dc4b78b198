//! Those who are no leader of ours.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

use super::network::{Network, ip};
use super::support::{Gateway, grant, pass, returned, seconds};
use super::{NOTHING, two};

/// What a member answers to these bytes, until it closes.
async fn answered(network: &Network, said: &[u8]) -> String {
    let mut stream = network.connect(ip(2)).expect("it listens");
    let _ = stream.write_all(said).await;
    read(&mut stream).await
}

async fn read(stream: &mut DuplexStream) -> String {
    let mut bytes = Vec::new();
    let reading = timeout(seconds(10), stream.read_to_end(&mut bytes));
    let _ = reading.await.expect("it is closed");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hello(version: u32, reign: u64, token: &str, leader: &str) -> Vec<u8> {
    let said = format!(
        r#"{{"hello":{{"version":{version},"reign":{reign},"token":"{token}","leader":"{leader}"}}}}"#
    );
    (said + "\n").into_bytes()
}

#[tokio::test(start_paused = true)]
async fn a_wrong_token_is_refused_and_a_right_one_is_looked_up_again() {
    let network = Network::default();
    let (mut leader, mut member) = (Gateway::start(&network, 1), Gateway::start(&network, 2));
    leader.token.send_replace(Some(Arc::from("secreT")));
    leader.knows(&[2]);
    leader.peers.lead(Some(1));
    leader.within(seconds(5)).await;
    assert_eq!(member.within(seconds(5)).await, [""; 0]);
    for side in [&leader, &member] {
        let doubted = timeout(seconds(2), side.doubt.notified()).await;
        assert!(doubted.is_ok(), "both look again");
    }
    for wrong in [
        None,
        Some(Arc::from("")),
        Some(Arc::from("secret and more")),
    ] {
        leader.token.send_replace(wrong);
        assert_eq!(member.within(seconds(5)).await, [""; 0]);
    }
    leader.token.send_replace(Some(Arc::from("secret")));
    let begun = tokio::time::Instant::now();
    assert_eq!(member.hears().await, "led by uid-1 in 1");
    assert!(
        begun.elapsed() <= Duration::from_millis(400),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(leader.hears().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn without_a_token_of_its_own_a_member_obeys_nobody() {
    let network = Network::default();
    let mut member = Gateway::start(&network, 2);
    for token in [None, Some(Arc::from(""))] {
        member.token.send_replace(token);
        let answer = answered(&network, &hello(1, 1, "", "uid-1")).await;
        assert_eq!(answer, "{\"refused\":\"token\"}\n");
    }
    assert_eq!(member.within(seconds(1)).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_older_reign_another_leader_of_the_same_and_another_language_are_refused() {
    let network = Network::default();
    let (leader, mut member) = two(&network).await;
    leader.peers.lead(Some(5));
    assert_eq!(member.hears().await, "leaderless");
    assert_eq!(member.hears().await, "led by uid-1 in 5");
    for (said, answer) in [
        (
            hello(1, 4, "secret", "uid-1"),
            "{\"refused\":{\"reign\":5}}\n",
        ),
        (
            hello(1, 5, "secret", "uid-3"),
            "{\"refused\":{\"reign\":5}}\n",
        ),
        (
            hello(2, 6, "secret", "uid-3"),
            "{\"refused\":{\"version\":1}}\n",
        ),
        (hello(1, 6, "", "uid-3"), "{\"refused\":\"token\"}\n"),
    ] {
        assert_eq!(answered(&network, &said).await, answer);
    }
    assert_eq!(member.within(seconds(5)).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn garbage_closes_its_connection_and_nothing_else() {
    let network = Network::default();
    let (mut leader, mut member) = two(&network).await;
    let mut dice = 42_u64;
    let mut roll = |n: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (dice >> 33) % n
    };
    let valid = hello(1, 1, "wrong", "uid-1");
    for _ in 0..300 {
        let mut said = if roll(2) == 0 {
            valid.clone()
        } else {
            Vec::new()
        };
        for _ in 0..roll(64) {
            let byte = u8::try_from(roll(256)).expect("a byte");
            let at = usize::try_from(roll(said.len() as u64 + 1)).expect("small");
            said.insert(at, byte);
        }
        let answer = answered(&network, &said).await;
        assert!(answer.is_empty() || answer.contains("refused"), "{answer}");
    }
    let mut long = vec![b' '; 1 << 20];
    long.extend(hello(1, 2, "secret", "uid-3"));
    assert_eq!(
        answered(&network, &long).await,
        "",
        "too long for a first line"
    );
    assert_eq!(answered(&network, b"\"beat\"\n").await, "");

    leader.peers.order(&member.me(), grant(1));
    assert_eq!(member.hears().await, "ordered a: grant 1");
    member.peers.say(returned(1));
    assert_eq!(leader.hears().await, "uid-2 said a: returned 1");
}

#[tokio::test(start_paused = true)]
async fn garbage_of_a_leader_ends_its_connection_and_what_was_in_it() {
    let network = Network::default();
    let mut member = Gateway::start(&network, 2);
    for garbage in [
        &b"\xff\xfe\n"[..],
        b"{\"orders\":[[\"a\",{\"grant\":3}]]}\n",
        b"{\"hello\":{}}\n",
    ] {
        let mut stream = network.connect(ip(2)).expect("it listens");
        stream
            .write_all(&hello(1, 1, "secret", "uid-1"))
            .await
            .expect("it reads");
        assert_eq!(member.hears().await, "led by uid-1 in 1");
        stream.write_all(garbage).await.expect("it reads");
        assert_eq!(member.hears().await, "leaderless");
        read(&mut stream).await;
    }
}

#[tokio::test(start_paused = true)]
async fn many_strangers_who_say_nothing_keep_no_leader_out_for_long() {
    let network = Network::default();
    let (mut leader, mut member) = (Gateway::start(&network, 1), Gateway::start(&network, 2));
    let strangers: Vec<_> = (0..1000).map(|_| network.connect(ip(2))).collect();
    pass(Duration::from_millis(10)).await;
    leader.knows(&[2]);
    drop(strangers);
    leader.peers.lead(Some(1));
    assert_eq!(member.hears().await, "led by uid-1 in 1");
    leader.within(seconds(1)).await;
}
